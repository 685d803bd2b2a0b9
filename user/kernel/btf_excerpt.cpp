// SPDX-License-Identifier: MIT
#include "kernel/btf_excerpt.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace bindtrace {
namespace {

class Excerpt {
  public:
    explicit Excerpt(const BtfReader& btf) : btf_(btf) {}

    void fill(const TypeNames& names) {
        for (std::uint32_t id = 1; id <= btf_.last_id(); ++id) {
            const btf_type type = btf_.type(id);
            const std::uint32_t kind = BTF_INFO_KIND(type.info);
            const bool has_parts =
                kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
            if (has_parts && type.name_off != 0 && btf_.is_named(type.name_off, names)) keep(id);
        }
        std::size_t done = 0;
        while (done < kept_.size()) copy(kept_[done++]);  // which keeps more
    }

    std::vector<std::byte> bytes() const {
        btf_header header{};
        header.magic = BTF_MAGIC;
        header.version = BTF_VERSION;
        header.hdr_len = sizeof(header);
        header.type_len = static_cast<std::uint32_t>(types_.size());
        header.str_off = header.type_len;
        header.str_len = static_cast<std::uint32_t>(strings_.size());
        std::vector<std::byte> all(sizeof(header) + types_.size() + strings_.size());
        std::memcpy(all.data(), &header, sizeof(header));
        const auto types = std::copy(types_.begin(), types_.end(), all.begin() + sizeof(header));
        std::ranges::copy(std::as_bytes(std::span(strings_)), types);
        return all;
    }

  private:
    // The id of that type in the excerpt.
    std::uint32_t keep(std::uint32_t id) {
        if (!btf_.has(id)) return 0;
        const auto [entry, is_new] = ids_.try_emplace(id, static_cast<std::uint32_t>(kept_.size() + 1));
        if (is_new) kept_.push_back(id);
        return entry->second;
    }

    std::uint32_t keep_name(std::uint32_t offset) {
        if (offset == 0) return 0;
        const auto [entry, is_new] = names_.try_emplace(offset, static_cast<std::uint32_t>(strings_.size()));
        if (is_new) strings_.append(btf_.name(offset)).push_back('\0');
        return entry->second;
    }

    template <typename T>
    void append(const T& value) {
        const auto* bytes = reinterpret_cast<const std::byte*>(&value);
        types_.insert(types_.end(), bytes, bytes + sizeof(value));
    }

    // What follows a type's header: `count` parts, each changed by `change`.
    template <typename T, typename Change>
    void append_parts(std::uint32_t id, std::size_t count, Change change) {
        for (std::size_t i = 0; i < count; ++i) {
            T part = btf_.part<T>(id, i);
            change(part);
            append(part);
        }
    }

    void copy(std::uint32_t id) {
        btf_type type = btf_.type(id);
        const std::size_t count = BTF_INFO_VLEN(type.info);
        const std::uint32_t kind = BTF_INFO_KIND(type.info);
        type.name_off = keep_name(type.name_off);
        const bool has_size = kind == BTF_KIND_INT || kind == BTF_KIND_FLOAT || kind == BTF_KIND_STRUCT ||
                              kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
        if (!has_size) type.type = kind == BTF_KIND_PTR ? 0 : keep(type.type);
        append(type);
        const auto with_name = [this](auto& part) { part.name_off = keep_name(part.name_off); };
        switch (kind) {
            case BTF_KIND_INT:
                return append_parts<std::uint32_t>(id, 1, [](std::uint32_t&) {});
            case BTF_KIND_ARRAY:
                return append_parts<btf_array>(id, 1, [this](btf_array& array) {
                    array.type = keep(array.type);
                    array.index_type = keep(array.index_type);
                });
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return append_parts<btf_member>(id, count, [&](btf_member& member) {
                    with_name(member);
                    member.type = keep(member.type);
                });
            case BTF_KIND_ENUM:
                return append_parts<btf_enum>(id, count, with_name);
            case BTF_KIND_ENUM64:
                return append_parts<btf_enum64>(id, count, with_name);
            default:  // the others are a header alone: nothing points at a function from inside a struct
                return;
        }
    }

    const BtfReader& btf_;
    std::unordered_map<std::uint32_t, std::uint32_t> ids_;    // theirs -> ours
    std::unordered_map<std::uint32_t, std::uint32_t> names_;  // theirs -> ours
    std::vector<std::uint32_t> kept_;                         // their ids, in the order of ours
    std::vector<std::byte> types_;
    std::string strings_{'\0'};
};

}  // namespace

std::vector<std::byte> btf_excerpt(const BtfReader& btf, const TypeNames& names) {
    Excerpt excerpt(btf);
    excerpt.fill(names);
    return excerpt.bytes();
}

}  // namespace bindtrace
