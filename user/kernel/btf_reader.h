// SPDX-License-Identifier: MIT
// The types in a BTF blob, one after the other, with every length checked.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace bindtrace {

class BtfReader {
  public:
    // Nothing where the header, or where it says that the rest is, does not fit.
    static std::optional<BtfReader> open(std::span<const std::byte> bytes);

    // Calls take(offset, type) for each type, in the order of their ids, which begin at 1. False where the types do not
    // fit, or are of a kind that we do not know.
    template <typename Take>
    bool for_each(Take take) const {
        for (std::size_t offset = 0; offset < types_.size();) {
            if (offset + sizeof(btf_type) > types_.size()) return false;
            const auto type = at<btf_type>(offset);
            const auto extra = extra_bytes(type.info);
            if (!extra || type.name_off >= strings_.size() || offset + sizeof(type) + *extra > types_.size())
                return false;
            take(offset, type);
            offset += sizeof(type) + *extra;
        }
        return true;
    }

    // Bytes that follow a type's common header; linux/btf.h describes each. Nothing for a kind we do not know.
    static std::optional<std::size_t> extra_bytes(std::uint32_t info);

    // At an offset that for_each() gave, or in the bytes that follow such a type.
    template <typename T>
    T at(std::size_t offset) const {
        T value;
        std::memcpy(&value, types_.data() + offset, sizeof(value));
        return value;
    }

    // Empty for an offset outside.
    std::string_view name(std::uint32_t offset) const {
        return offset < strings_.size() ? std::string_view(strings_.data() + offset) : std::string_view();
    }

  private:
    BtfReader(std::span<const std::byte> types, std::string_view strings) : types_(types), strings_(strings) {}

    std::span<const std::byte> types_;
    std::string_view strings_;  // ends with a NUL
};

}  // namespace bindtrace
