// SPDX-License-Identifier: MIT
#include "model/publisher.h"

#include <cstring>

#include "model/known_program.h"

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
    const KnownProgram* known = known_program(program);
    return known != nullptr && known->kind == ProgramKind::holds_for_containers;
}

bool publishes_ports(const bt_task& task, const Process* process) {
    const KnownProgram* known = known_program(program_of(task, process));
    return known != nullptr && known->kind != ProgramKind::interpreter;
}

bool publishes_ports(const Owner& owner) {
    return publishes_ports(owner.task, process_of(owner));
}

}  // namespace bindtrace
