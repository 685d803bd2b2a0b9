// SPDX-License-Identifier: MIT
#include "kernel/btf_reader.h"

namespace bindtrace {

std::optional<std::size_t> BtfReader::extra_bytes(std::uint32_t info) {
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
    return BtfReader(body.subspan(header.type_off, header.type_len), strings);
}

}  // namespace bindtrace
