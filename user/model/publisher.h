// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "bindtrace/event.h"
#include "model/conflict.h"
#include "model/record.h"

namespace bindtrace {

// What a process is called by its file, or else by its comm. process may be null.
std::string program_of(const bt_task& task, const Process* process);
std::string program_of(const Owner& owner);

// Of such a program: it has ports open for containers.
bool holds_for_containers(std::string_view program);

// May it be that the process binds ports for a container? Of podman conmon has them soon afterwards. Its name alone
// says no more than that.
bool publishes_ports(const bt_task& task, const Process* process);
bool publishes_ports(const Owner& owner);

}  // namespace bindtrace
