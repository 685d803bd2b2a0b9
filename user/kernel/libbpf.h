// SPDX-License-Identifier: MIT
// What all uses of libbpf share: its words in our errors, and running an iterator.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/result.h"

struct bpf_program;

namespace bindtrace {

// Before the first call into libbpf; forgets what was said before.
void keep_libbpf_words();

// With what libbpf has said last.
Error bpf_error(const std::string& what, int code);

// Once over everything. What it finds goes into maps.
Status run_iterator(const bpf_program* program);

// The same, of one that writes what it finds.
Result<std::vector<std::byte>> read_iterator(const bpf_program* program);

}  // namespace bindtrace
