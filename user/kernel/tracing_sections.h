// SPDX-License-Identifier: MIT
#pragma once

#include "kernel/kernel_facts.h"

namespace bindtrace {

// From now on our own handlers prepare the tracing programs of each object that is opened; `facts` must live until they
// are loaded.
//
// What a program is attached to and which kernel function it calls are given to the kernel by number. libbpf would look
// the names up in all of the kernel's types, which it reads for that alone, and that takes longer than all that we
// read of them.
//
// And reads of user memory stay what they are. Under lockdown libbpf 1.1 takes the refusal of bpf_probe_read_kernel()
// for an old kernel and rewrites them too into bpf_probe_read(), which is refused. (The reads of kernel memory are not
// in the objects that are loaded then.)
void prepare_tracing_programs(const KernelFacts& facts);

}  // namespace bindtrace
