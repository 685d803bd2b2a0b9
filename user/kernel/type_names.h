// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>

namespace bindtrace {

// Names to look for among the kernel's 130,000 types. Their first four bytes tell nearly all of those apart, without
// the length of each and a hash of it.
class TypeNames {
  public:
    TypeNames() = default;
    TypeNames(std::initializer_list<std::string_view> names) {
        for (const std::string_view name : names) insert(name);
    }

    void insert(std::string_view name) {
        std::uint32_t start = 0;
        std::memcpy(&start, name.data(), std::min(name.size(), sizeof(start)));
        starts_.set(bit(start));
        names_.emplace(name);
    }

    // Is the name that begins at `text` one of them? `text` ends with a NUL.
    bool contains(std::string_view text) const {
        std::uint32_t start = 0;
        if (text.size() < sizeof(start)) return names_.contains(std::string_view(text.data()));
        std::memcpy(&start, text.data(), sizeof(start));
        const std::uint32_t ends = (start - 0x01010101) & ~start & 0x80808080;  // the lowest bit: at the first NUL
        if (ends != 0) start &= ((ends & (0 - ends)) >> 7) - 1;                 // what follows it is another name
        if (!starts_.test(bit(start))) return false;
        return names_.contains(std::string_view(text.data()));
    }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
    };

    static std::size_t bit(std::uint32_t start) { return start * 0x9e3779b1u >> 20; }

    std::unordered_set<std::string, Hash, std::equal_to<>> names_;
    std::bitset<4096> starts_;
};

}  // namespace bindtrace
