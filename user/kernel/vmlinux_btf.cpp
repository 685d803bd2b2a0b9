// SPDX-License-Identifier: MIT
#include "kernel/vmlinux_btf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "core/unique_fd.h"

namespace bindtrace {

std::optional<VmlinuxBtf> VmlinuxBtf::parse(std::span<const std::byte> bytes, const TypeNames& names) {
    const auto btf = BtfReader::open(bytes);
    if (!btf) return std::nullopt;
    VmlinuxBtf found;
    std::vector<std::uint32_t> infos{0};                      // of each type id: void is 0
    std::vector<std::pair<std::string, btf_type>> functions;  // their prototypes may come later
    infos.reserve(btf->most_types());
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

std::optional<VmlinuxBtf> VmlinuxBtf::read(const TypeNames& names, const char* path) {
    std::optional<FileBytes> file = FileBytes::read(path);
    if (!file) return std::nullopt;
    std::optional<VmlinuxBtf> found = parse(file->bytes(), names);
    if (found) found->bytes_ = std::move(*file);
    return found;
}

FileBytes::~FileBytes() {
    if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

std::optional<FileBytes> FileBytes::read(const char* path) {
    const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0 || status.st_size == 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(status.st_size);
    void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
    if (mapped != MAP_FAILED) return FileBytes({static_cast<std::byte*>(mapped), size});
    mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) return std::nullopt;
    FileBytes copy({static_cast<std::byte*>(mapped), size});
    std::size_t filled = 0;
    while (filled < size) {
        const ssize_t got = ::read(file.get(), copy.bytes_.data() + filled, size - filled);
        if (got <= 0) return std::nullopt;
        filled += static_cast<std::size_t>(got);
    }
    return copy;
}

}  // namespace bindtrace
