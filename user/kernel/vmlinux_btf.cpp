// SPDX-License-Identifier: MIT
#include "kernel/vmlinux_btf.h"

#include <fcntl.h>
#include <linux/btf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

// Bytes that follow a type's common header, by kind; linux/btf.h describes each. Nothing for a kind we do not know.
std::optional<std::size_t> extra_bytes(std::uint32_t info) {
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

template <typename T>
T copy_at(std::span<const std::byte> bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

}  // namespace

std::optional<VmlinuxBtf> VmlinuxBtf::parse(std::span<const std::byte> bytes,
                                            const std::set<std::string, std::less<>>& names) {
    if (bytes.size() < sizeof(btf_header)) return std::nullopt;
    const auto header = copy_at<btf_header>(bytes, 0);
    if (header.magic != BTF_MAGIC || header.hdr_len > bytes.size()) return std::nullopt;
    const std::span<const std::byte> body = bytes.subspan(header.hdr_len);
    const auto inside = [&](std::uint64_t offset, std::uint64_t length) { return offset + length <= body.size(); };
    if (!inside(header.type_off, header.type_len) || !inside(header.str_off, header.str_len)) return std::nullopt;
    const std::span<const std::byte> types = body.subspan(header.type_off, header.type_len);
    const std::string_view strings(reinterpret_cast<const char*>(body.data()) + header.str_off, header.str_len);
    if (strings.empty() || strings.back() != '\0') return std::nullopt;

    VmlinuxBtf found;
    std::vector<std::uint32_t> infos{0};                      // of each type id: void is 0
    std::vector<std::pair<std::string, btf_type>> functions;  // their prototypes may come later
    for (std::size_t offset = 0; offset < types.size();) {
        if (offset + sizeof(btf_type) > types.size()) return std::nullopt;
        const auto type = copy_at<btf_type>(types, offset);
        const auto extra = extra_bytes(type.info);
        if (!extra || type.name_off >= strings.size()) return std::nullopt;
        const std::uint32_t kind = BTF_INFO_KIND(type.info);
        if (kind == BTF_KIND_FUNC || kind == BTF_KIND_TYPEDEF) {
            const std::string_view name = strings.data() + type.name_off;
            if (names.contains(name)) {
                const Entry entry{.id = static_cast<std::uint32_t>(infos.size()), .arity = 0};
                (kind == BTF_KIND_FUNC ? found.functions_ : found.typedefs_).try_emplace(std::string(name), entry);
                if (kind == BTF_KIND_FUNC) functions.emplace_back(name, type);
            }
        }
        infos.push_back(type.info);
        offset += sizeof(btf_type) + *extra;
    }
    for (const auto& [name, type] : functions)
        if (type.type < infos.size()) found.functions_[name].arity = static_cast<int>(BTF_INFO_VLEN(infos[type.type]));
    return found;
}

std::optional<VmlinuxBtf> VmlinuxBtf::read(const std::set<std::string, std::less<>>& names, const char* path) {
    const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0) return std::nullopt;
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
        if (got <= 0) return std::nullopt;
        filled += static_cast<std::size_t>(got);
    }
    return parse(bytes, names);
}

}  // namespace bindtrace
