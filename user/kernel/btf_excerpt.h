// SPDX-License-Identifier: MIT
// The few of the kernel's types that a BPF object is relocated against.
//
// For each type that an object names, libbpf goes through all 130,000 of the kernel's by name: forty times, and a third
// of the time that a start takes. In an excerpt it finds the same in no time.
#pragma once

#include <cstddef>
#include <vector>

#include "kernel/btf_reader.h"

namespace bindtrace {

// BTF with the structs, unions and enums of these names and all that is inside them; what they point to is void. Type
// ids are not those of the kernel.
std::vector<std::byte> btf_excerpt(const BtfReader& btf, const TypeNames& names);

}  // namespace bindtrace
