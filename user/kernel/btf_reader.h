// SPDX-License-Identifier: MIT
// The types in a BTF blob by their ids, with every length checked once. It must outlive this.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kernel/type_names.h"

namespace bindtrace {

class BtfReader {
  public:
    // Nothing where something does not fit, or is of a kind that we do not know.
    static std::optional<BtfReader> open(std::span<const std::byte> bytes);

    // Ids of types are from 1 to this.
    std::uint32_t last_id() const { return static_cast<std::uint32_t>(offsets_.size() - 1); }
    bool has(std::uint32_t id) const { return id != 0 && id < offsets_.size(); }

    // For an id that it has.
    btf_type type(std::uint32_t id) const { return at<btf_type>(offsets_[id]); }

    // The index-th of the parts that follow a type's header.
    template <typename T>
    T part(std::uint32_t id, std::size_t index) const {
        return at<T>(offsets_[id] + sizeof(btf_type) + index * sizeof(T));
    }

    // Is the name at that offset one of these?
    bool is_named(std::uint32_t offset, const TypeNames& names) const {
        return offset < strings_.size() && names.contains(strings_.substr(offset));
    }

    // Empty for an offset outside.
    std::string_view name(std::uint32_t offset) const {
        return offset < strings_.size() ? std::string_view(strings_.data() + offset) : std::string_view();
    }

  private:
    BtfReader(std::span<const std::byte> types, std::string_view strings) : types_(types), strings_(strings) {}

    template <typename T>
    T at(std::size_t offset) const {
        T value;
        std::memcpy(&value, types_.data() + offset, sizeof(value));
        return value;
    }

    bool find_types();

    std::span<const std::byte> types_;
    std::string_view strings_;               // ends with a NUL
    std::vector<std::uint32_t> offsets_{0};  // by id: void has none
};

}  // namespace bindtrace
