// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/conflict.h"
#include "model/record.h"

namespace bindtrace {

// Who takes ports, as an operator would call it. Owns its strings, which are raw bytes.
struct Party {
    std::string comm;       // empty: no process, or not known
    std::uint32_t pid = 0;  // the last that was seen; 0 = the same
    std::optional<std::string> unit;
    std::string container;  // "container web"; empty = in none, or its name is not known

    bool operator==(const Party&) const = default;
};

Party party_of(const Event& event, const Context& context);
Party party_of(const Holder& holder);

// What stays the same when it is started again: the container, else the service or socket unit, else the program in its
// unit.
std::string identity_of(const Party& party);

// Without a copy, since it is asked of every claim.
bool is_same(const Party& party, const Event& event, const Context& context);

// "java[1312] myapp.service", "nginx[7] in container web".
std::string name_of(const Party& party);

}  // namespace bindtrace
