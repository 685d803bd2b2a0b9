// SPDX-License-Identifier: MIT
#include "kernel/skeleton.h"

#include <bpf/btf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <string_view>

#include "kernel/packed_elf.h"

namespace bindtrace {

TypeNames type_names(const bpf_object* object) {
    TypeNames names;
    const btf* types = bpf_object__btf(object);
    for (__u32 id = 1; id < btf__type_cnt(types); ++id) {
        const btf_type* type = btf__type_by_id(types, id);
        if (!btf_is_composite(type) && !btf_is_any_enum(type)) continue;
        const std::string_view name = btf__name_by_offset(types, type->name_off);
        names.insert(name.substr(0, name.find("___")));  // what follows is our own
    }
    return names;
}

UniqueFd in_memory(std::span<const std::byte> bytes) {
    UniqueFd file(memfd_create("bindtrace-btf", MFD_CLOEXEC));
    if (!file.valid() || write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return UniqueFd();
    return file;
}

std::string unpacked(std::string_view frame) {
    const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR) return {};
    std::string bytes(size, '\0');
    if (ZSTD_decompress(bytes.data(), size, frame.data(), frame.size()) != size) return {};
    return bytes;
}

}  // namespace bindtrace
