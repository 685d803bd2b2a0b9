// SPDX-License-Identifier: MIT
#include "kernel/btf_reader.h"

#include <array>

namespace bindtrace {
namespace {

// Bytes that follow a type's header: so many, and so many for each of its parts; linux/btf.h describes them.
struct Tail {
    bool known;
    std::uint8_t fixed, each;
};

// By kind. A table, since a branch on the kind is guessed wrong for every other type.
constexpr auto kTails = [] {
    std::array<Tail, 32> tails{};
    for (const std::uint32_t kind : {BTF_KIND_PTR, BTF_KIND_FWD, BTF_KIND_TYPEDEF, BTF_KIND_VOLATILE, BTF_KIND_CONST,
                                     BTF_KIND_RESTRICT, BTF_KIND_FUNC, BTF_KIND_FLOAT, BTF_KIND_TYPE_TAG})
        tails[kind] = {true, 0, 0};
    tails[BTF_KIND_INT] = {true, sizeof(std::uint32_t), 0};
    tails[BTF_KIND_ARRAY] = {true, sizeof(btf_array), 0};
    tails[BTF_KIND_VAR] = {true, sizeof(btf_var), 0};
    tails[BTF_KIND_DECL_TAG] = {true, sizeof(btf_decl_tag), 0};
    tails[BTF_KIND_STRUCT] = tails[BTF_KIND_UNION] = {true, 0, sizeof(btf_member)};
    tails[BTF_KIND_ENUM] = {true, 0, sizeof(btf_enum)};
    tails[BTF_KIND_ENUM64] = {true, 0, sizeof(btf_enum64)};
    tails[BTF_KIND_FUNC_PROTO] = {true, 0, sizeof(btf_param)};
    tails[BTF_KIND_DATASEC] = {true, 0, sizeof(btf_var_secinfo)};
    return tails;
}();

}  // namespace

std::optional<BtfReader> BtfReader::open(std::span<const std::byte> bytes) {
    btf_header header{};
    if (bytes.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.magic != BTF_MAGIC || header.hdr_len > bytes.size()) return std::nullopt;
    const std::span<const std::byte> body = bytes.subspan(header.hdr_len);
    const auto inside = [&](std::uint64_t offset, std::uint64_t length) { return offset + length <= body.size(); };
    if (!inside(header.type_off, header.type_len) || !inside(header.str_off, header.str_len)) return std::nullopt;
    const std::string_view strings(reinterpret_cast<const char*>(body.data()) + header.str_off, header.str_len);
    if (strings.empty() || strings.back() != '\0') return std::nullopt;
    BtfReader btf(body.subspan(header.type_off, header.type_len), strings);
    if (!btf.find_types()) return std::nullopt;
    return btf;
}

bool BtfReader::find_types() {
    offsets_.reserve(types_.size() / sizeof(btf_type) + 1);
    for (std::size_t offset = 0; offset < types_.size();) {
        if (offset + sizeof(btf_type) > types_.size()) return false;
        offsets_.push_back(static_cast<std::uint32_t>(offset));
        const auto type = at<btf_type>(offset);
        const Tail& tail = kTails[BTF_INFO_KIND(type.info)];
        if (!tail.known || type.name_off >= strings_.size()) return false;
        offset += sizeof(type) + tail.fixed + BTF_INFO_VLEN(type.info) * std::size_t{tail.each};
        if (offset > types_.size()) return false;
    }
    return true;
}

}  // namespace bindtrace
