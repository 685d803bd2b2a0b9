// SPDX-License-Identifier: MIT
#include "kernel/vmlinux_btf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/unique_fd.h"
#include "kernel/btf_reader.h"

namespace bindtrace {

std::optional<VmlinuxBtf> VmlinuxBtf::parse(std::span<const std::byte> bytes,
                                            const std::set<std::string, std::less<>>& names) {
    const auto btf = BtfReader::open(bytes);
    if (!btf) return std::nullopt;
    VmlinuxBtf found;
    std::vector<std::uint32_t> infos{0};                      // of each type id: void is 0
    std::vector<std::pair<std::string, btf_type>> functions;  // their prototypes may come later
    const bool whole = btf->for_each([&](std::size_t, const btf_type& type) {
        const Entry entry{.id = static_cast<std::uint32_t>(infos.size()), .arity = 0};
        infos.push_back(type.info);
        const std::uint32_t kind = BTF_INFO_KIND(type.info);
        if (kind != BTF_KIND_FUNC && kind != BTF_KIND_TYPEDEF && kind != BTF_KIND_STRUCT) return;
        const std::string_view name = btf->name(type.name_off);
        if (!names.contains(name)) return;
        if (kind == BTF_KIND_FUNC) functions.emplace_back(name, type);
        Entries& entries = kind == BTF_KIND_FUNC      ? found.functions_
                           : kind == BTF_KIND_TYPEDEF ? found.typedefs_
                                                      : found.structs_;
        entries.try_emplace(std::string(name), entry);
    });
    if (!whole) return std::nullopt;
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
    std::optional<VmlinuxBtf> found = parse(bytes, names);
    if (found) found->bytes_ = std::move(bytes);
    return found;
}

}  // namespace bindtrace
