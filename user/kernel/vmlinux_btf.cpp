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

VmlinuxBtf VmlinuxBtf::find(const BtfReader& btf, const TypeNames& names) {
    VmlinuxBtf found;
    for (std::uint32_t id = 1; id <= btf.last_id(); ++id) {
        const btf_type type = btf.type(id);
        const std::uint32_t kind = BTF_INFO_KIND(type.info);
        if (kind != BTF_KIND_FUNC && kind != BTF_KIND_TYPEDEF && kind != BTF_KIND_STRUCT) continue;
        if (!btf.is_named(type.name_off, names)) continue;
        Entries& entries = kind == BTF_KIND_FUNC      ? found.functions_
                           : kind == BTF_KIND_TYPEDEF ? found.typedefs_
                                                      : found.structs_;
        Entry entry{.id = id, .arity = 0};
        if (kind == BTF_KIND_FUNC && btf.has(type.type))
            entry.arity = static_cast<int>(BTF_INFO_VLEN(btf.type(type.type).info));
        entries.try_emplace(std::string(btf.name(type.name_off)), entry);
    }
    return found;
}

std::optional<VmlinuxBtf> VmlinuxBtf::parse(std::span<const std::byte> bytes, const TypeNames& names) {
    const auto btf = BtfReader::open(bytes);
    if (!btf) return std::nullopt;
    return find(*btf, names);
}

std::optional<VmlinuxBtf> VmlinuxBtf::read(const TypeNames& names, const char* path) {
    std::optional<FileBytes> file = FileBytes::read(path);
    if (!file) return std::nullopt;
    auto btf = BtfReader::open(file->bytes());
    if (!btf) return std::nullopt;
    VmlinuxBtf found = find(*btf, names);
    found.bytes_ = std::move(*file);
    found.all_ = std::move(btf);
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
