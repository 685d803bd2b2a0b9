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

    bool fill(const TypeNames& names) {
        offsets_.reserve(btf_.most_types());
        offsets_.push_back(0);  // void
        std::vector<std::uint32_t> roots;
        const bool whole = btf_.for_each([&](std::size_t offset, const btf_type& type) {
            const std::uint32_t kind = BTF_INFO_KIND(type.info);
            const bool has_parts =
                kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
            if (has_parts && type.name_off != 0 && names.contains(btf_.name(type.name_off)))
                roots.push_back(static_cast<std::uint32_t>(offsets_.size()));
            offsets_.push_back(static_cast<std::uint32_t>(offset));
        });
        if (!whole) return false;
        for (const std::uint32_t root : roots) keep(root);
        std::size_t done = 0;
        while (done < kept_.size()) copy(offsets_[kept_[done++]]);  // which keeps more
        return true;
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
        if (id == 0 || id >= offsets_.size()) return 0;
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

    // What follows a type's header: `count` entries, each changed by `change`.
    template <typename T, typename Change>
    void append_entries(std::size_t offset, std::size_t count, Change change) {
        for (std::size_t i = 0; i < count; ++i) {
            T entry = btf_.at<T>(offset + i * sizeof(T));
            change(entry);
            append(entry);
        }
    }

    void copy(std::size_t offset) {
        auto type = btf_.at<btf_type>(offset);
        const std::size_t count = BTF_INFO_VLEN(type.info);
        const std::size_t extra = offset + sizeof(type);
        const std::uint32_t kind = BTF_INFO_KIND(type.info);
        type.name_off = keep_name(type.name_off);
        const bool has_size = kind == BTF_KIND_INT || kind == BTF_KIND_FLOAT || kind == BTF_KIND_STRUCT ||
                              kind == BTF_KIND_UNION || kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
        if (!has_size) type.type = kind == BTF_KIND_PTR ? 0 : keep(type.type);
        append(type);
        const auto with_name = [this](auto& entry) { entry.name_off = keep_name(entry.name_off); };
        switch (kind) {
            case BTF_KIND_INT:
                return append_entries<std::uint32_t>(extra, 1, [](std::uint32_t&) {});
            case BTF_KIND_ARRAY:
                return append_entries<btf_array>(extra, 1, [this](btf_array& array) {
                    array.type = keep(array.type);
                    array.index_type = keep(array.index_type);
                });
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                return append_entries<btf_member>(extra, count, [&](btf_member& member) {
                    with_name(member);
                    member.type = keep(member.type);
                });
            case BTF_KIND_ENUM:
                return append_entries<btf_enum>(extra, count, with_name);
            case BTF_KIND_ENUM64:
                return append_entries<btf_enum64>(extra, count, with_name);
            default:  // the others are a header alone: nothing points at a function from inside a struct
                return;
        }
    }

    const BtfReader& btf_;
    std::vector<std::uint32_t> offsets_;                      // by id
    std::unordered_map<std::uint32_t, std::uint32_t> ids_;    // theirs -> ours
    std::unordered_map<std::uint32_t, std::uint32_t> names_;  // theirs -> ours
    std::vector<std::uint32_t> kept_;                         // their ids, in the order of ours
    std::vector<std::byte> types_;
    std::string strings_{'\0'};
};

}  // namespace

std::optional<std::vector<std::byte>> btf_excerpt(std::span<const std::byte> btf, const TypeNames& names) {
    const auto reader = BtfReader::open(btf);
    if (!reader) return std::nullopt;
    Excerpt excerpt(*reader);
    if (!excerpt.fill(names)) return std::nullopt;
    return excerpt.bytes();
}

}  // namespace bindtrace
