// SPDX-License-Identifier: MIT
// Opens a skeleton to be relocated against an excerpt of the kernel's types.
#pragma once

#include <bpf/libbpf.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/unique_fd.h"
#include "kernel/btf_excerpt.h"
#include "kernel/btf_reader.h"

namespace bindtrace {

// The names of all types that an object may be relocated against.
TypeNames type_names(const bpf_object* object);

// A file without a name. Invalid where it cannot be had.
UniqueFd in_memory(std::span<const std::byte> bytes);

template <typename Skeleton>
struct OpenSkeleton {
    struct Destroy {
        void operator()(Skeleton* opened) const { Skeleton::destroy(opened); }
    };

    UniqueFd btf;  // read when it is loaded
    std::unique_ptr<Skeleton, Destroy> skeleton;
};

// Null with errno set where libbpf cannot open it. Opened twice: the names of its types are needed for what it is then
// relocated against. Without BTF to make an excerpt of, libbpf takes the kernel's types by itself.
template <typename Skeleton>
OpenSkeleton<Skeleton> open_skeleton(const BtfReader* vmlinux_btf) {
    OpenSkeleton<Skeleton> opened;
    opened.skeleton.reset(Skeleton::open());
    if (!opened.skeleton || vmlinux_btf == nullptr) return opened;
    opened.btf = in_memory(btf_excerpt(*vmlinux_btf, type_names(opened.skeleton->obj)));
    if (!opened.btf.valid()) return opened;
    const std::string path = "/proc/self/fd/" + std::to_string(opened.btf.get());
    LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = path.c_str());
    opened.skeleton.reset(Skeleton::open(&options));
    return opened;
}

}  // namespace bindtrace
