// SPDX-License-Identifier: MIT
#include "model/publisher.h"

#include <algorithm>
#include <cstring>

namespace bindtrace {
namespace {

const Process* process_of(const Owner& owner) {
    return owner.process ? &*owner.process : nullptr;
}

}  // namespace

std::string program_of(const bt_task& task, const Process* process) {
    if (process != nullptr && process->exe) return process->exe->substr(process->exe->rfind('/') + 1);
    return {task.comm, strnlen(task.comm, sizeof(task.comm))};
}

std::string program_of(const Owner& owner) {
    return program_of(owner.task, process_of(owner));
}

bool holds_for_containers(std::string_view program) {
    constexpr std::string_view kPrograms[] = {"docker-proxy", "dockerd",     "rootlesskit",
                                              "conmon",       "slirp4netns", "rootlessport"};
    return std::ranges::count(kPrograms, program) > 0 || program.starts_with("pasta") || program.starts_with("passt");
}

bool publishes_ports(const bt_task& task, const Process* process) {
    const std::string program = program_of(task, process);
    return holds_for_containers(program) || program == "podman";
}

bool publishes_ports(const Owner& owner) {
    return publishes_ports(owner.task, process_of(owner));
}

}  // namespace bindtrace
