// SPDX-License-Identifier: MIT
#include "report/party.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

namespace bindtrace {
namespace {

std::string_view comm_of(const bt_task& task) {
    return {task.comm, strnlen(task.comm, sizeof(task.comm))};
}

// A session's scope holds whatever its user runs.
bool is_one_program(std::string_view unit) {
    return unit.ends_with(".service") || unit.ends_with(".socket");
}

}  // namespace

Party party_of(const Event& event, const Context& context) {
    Party party;
    if ((event.flags & BT_EVENT_HAS_TASK) != 0) {
        party.comm = comm_of(event.task);
        party.pid = event.task.key.pid;
    }
    if (context.place.unit) party.unit = *context.place.unit;
    if (context.container != nullptr) party.container = container_words(*context.container);
    return party;
}

Party party_of(const Holder& holder) {
    Party party;
    if (const Owner* owner = owner_of(holder)) {
        party.comm = comm_of(owner->task);
        party.pid = owner->task.key.pid;
    }
    party.unit = socket_unit(holder);
    if (!party.unit) party.unit = unit_of(holder);
    party.container = container_words(holder.container);
    return party;
}

std::string identity_of(const Party& party) {
    if (!party.container.empty()) return party.container;
    if (party.unit && is_one_program(*party.unit)) return *party.unit;
    return party.comm + '\0' + party.unit.value_or("");
}

bool is_same(const Party& party, const Event& event, const Context& context) {
    if (context.container == nullptr && party.container.empty() &&
        context.place.unit.has_value() == party.unit.has_value()) {
        const bool is_same_unit = !party.unit || *party.unit == *context.place.unit;
        if (is_same_unit && party.comm == comm_of(event.task)) return true;
    }
    return identity_of(party) == identity_of(party_of(event, context));
}

std::string name_of(const Party& party) {
    std::string text = party.comm.empty() ? "no process" : fmt::format("{}[{}]", party.comm, party.pid);
    if (!party.container.empty()) return text + " in " + party.container;
    return party.unit ? text + " " + *party.unit : text;
}

}  // namespace bindtrace
