// SPDX-License-Identifier: MIT
#include "model/known_program.h"

#include <algorithm>
#include <array>

namespace bindtrace {
namespace {

using enum ProgramKind;

constexpr std::array kPrograms = {
    KnownProgram{"docker-proxy", holds_for_containers},
    KnownProgram{"dockerd", holds_for_containers},
    KnownProgram{"rootlesskit", holds_for_containers},
    KnownProgram{"conmon", holds_for_containers},
    KnownProgram{"slirp4netns", holds_for_containers},
    KnownProgram{"rootlessport", holds_for_containers},
    KnownProgram{"pasta", holds_for_containers, true},
    KnownProgram{"passt", holds_for_containers, true},
    KnownProgram{"podman", runs_containers},
    KnownProgram{"python", interpreter, true},
    KnownProgram{"perl", interpreter, true},
    KnownProgram{"ruby", interpreter, true},
    KnownProgram{"node", interpreter, true},
    KnownProgram{"java", interpreter, true},
    KnownProgram{"php", interpreter, true},
    KnownProgram{"bash", interpreter, true},
    KnownProgram{"dash", interpreter, true},
};

}  // namespace

const KnownProgram* known_program(std::string_view name) {
    const auto* const found = std::ranges::find_if(kPrograms, [&](const KnownProgram& known) {
        return known.has_variants ? name.starts_with(known.word) : name == known.word;
    });
    return found == kPrograms.end() ? nullptr : found;
}

}  // namespace bindtrace
