// SPDX-License-Identifier: MIT
// The BPF objects as they are embedded: compressed, since otherwise they were half of the program. The generated
// skeletons, which would have them as they are, come here instead.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bindtrace {

// Empty where that is no zstd frame.
std::string unpacked(std::string_view frame);

}  // namespace bindtrace

// Defines what bpftool calls NAME__elf_bytes(). The bytes stay, for libbpf to point into.
#define BINDTRACE_PACKED_ELF(name, path)                                                          \
    asm(".pushsection .rodata\n" #name "_packed:\n.incbin \"" path "\"\n" #name                   \
        "_packed_end:\n"                                                                          \
        ".popsection");                                                                           \
    extern "C" const char name##_packed[], name##_packed_end[];                                   \
    static inline const void* name##__elf_bytes(std::size_t* size) {                              \
        static const std::string bytes = bindtrace::unpacked({name##_packed, name##_packed_end}); \
        *size = bytes.size();                                                                     \
        return bytes.data();                                                                      \
    }
