// SPDX-License-Identifier: MIT
// What a holder is called in a sentence, and how it is made to let go. Raw bytes, as all words of a verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/conflict.h"

namespace bindtrace {

// "java[1312] config-client.service", "node[1312] in session 4 of alice".
std::string name_of(const Owner& owner);

// The same of whoever has the socket, with the container it is in or serves: "docker-proxy[420] docker.service serving
// container web (its port 80)".
std::string name_of(const Holder& holder);

// "systemctl", or that of the user to whom the unit belongs.
std::string systemctl_of(const UnitPlace& place, std::optional<std::string_view> user, std::uint32_t uid);

// Where the container that a holder serves is a unit of its own (Quadlet, or podman run --cgroups=split): it has
// whoever serves it in a folder of that unit.
std::optional<std::string> unit_of_container(const Holder& holder);

// "docker stop web"; empty where its runtime has no such tool.
std::string stop_container(const Holder& holder);

// "systemctl stop x.service", whatever it takes; empty where nobody has it.
std::string stop_holder(const Holder& holder);

// "systemctl stop x.service"; empty where it is of no service.
std::string stop_service(const Holder& holder);

// The same of a client's port: whoever has it now keeps it, whatever is reserved.
std::string let_go(const Holder& holder);

}  // namespace bindtrace
