// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace bindtrace {

// Any message: its fields by number, in order.
struct ProtoField {
    std::uint32_t number = 0;
    std::uint64_t value = 0;
    std::string_view bytes{};
};

inline std::uint64_t take_varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; !bytes.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    ADD_FAILURE() << "cut";
    return value;
}

inline std::vector<ProtoField> parse_message(std::string_view bytes) {
    std::vector<ProtoField> fields;
    while (!bytes.empty()) {
        const std::uint64_t key = take_varint(bytes);
        ProtoField field{.number = static_cast<std::uint32_t>(key >> 3)};
        if ((key & 7) == 0) {
            field.value = take_varint(bytes);
        } else {
            EXPECT_EQ(key & 7, 2u) << "no such type is written";
            const std::uint64_t size = take_varint(bytes);
            EXPECT_LE(size, bytes.size());
            field.bytes = bytes.substr(0, size);
            bytes.remove_prefix(field.bytes.size());
        }
        fields.push_back(field);
    }
    return fields;
}

inline std::optional<ProtoField> find(const std::vector<ProtoField>& fields, std::uint32_t number) {
    for (const ProtoField& field : fields)
        if (field.number == number) return field;
    return std::nullopt;
}

}  // namespace bindtrace
