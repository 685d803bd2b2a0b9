// SPDX-License-Identifier: MIT
// The types in a BTF blob, one after the other, with every length checked.
#pragma once

#include <linux/btf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

namespace bindtrace {

// Names to look for. Each of the kernel's 130,000 types is looked up in them.
struct TypeNameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
};
using TypeNames = std::unordered_set<std::string, TypeNameHash, std::equal_to<>>;

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
    static std::optional<std::size_t> extra_bytes(std::uint32_t info) {
        const std::size_t count = BTF_INFO_VLEN(info);
        switch (BTF_INFO_KIND(info)) {
            case BTF_KIND_INT:
                return sizeof(std::uint32_t);
            case BTF_KIND_ARRAY:
                return sizeof(btf_array);
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return count * sizeof(btf_member);
            case BTF_KIND_ENUM:
                return count * sizeof(btf_enum);
            case BTF_KIND_FUNC_PROTO:
                return count * sizeof(btf_param);
            case BTF_KIND_VAR:
                return sizeof(btf_var);
            case BTF_KIND_DATASEC:
                return count * sizeof(btf_var_secinfo);
            case BTF_KIND_DECL_TAG:
                return sizeof(btf_decl_tag);
            case BTF_KIND_ENUM64:
                return count * sizeof(btf_enum64);
            case BTF_KIND_PTR:
            case BTF_KIND_FWD:
            case BTF_KIND_TYPEDEF:
            case BTF_KIND_VOLATILE:
            case BTF_KIND_CONST:
            case BTF_KIND_RESTRICT:
            case BTF_KIND_FUNC:
            case BTF_KIND_FLOAT:
            case BTF_KIND_TYPE_TAG:
                return 0;
            default:
                return std::nullopt;
        }
    }

    // No more types than this, to make room for.
    std::size_t most_types() const { return types_.size() / sizeof(btf_type); }

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
