// SPDX-License-Identifier: MIT
// Programs whose name alone says something that a verdict depends on. Their words are the same on every machine, so
// that --redact leaves them, and the verdict of what was redacted is the same.
#pragma once

#include <cstdint>
#include <string_view>

namespace bindtrace {

enum class ProgramKind : std::uint8_t {
    holds_for_containers,  // has ports open for containers: Docker's proxies, Podman's conmon, what rootless ones use
    runs_containers,       // binds a port, which another has soon afterwards
    interpreter,           // of scripts: what it may do, all of them may
};

struct KnownProgram {
    std::string_view word;  // "pasta"
    ProgramKind kind;
    bool has_variants = false;  // that begin with the word: "pasta.avx2", "python3.11"
};

// By the name of its file, or its comm; null where it is none of them.
const KnownProgram* known_program(std::string_view name);

}  // namespace bindtrace
