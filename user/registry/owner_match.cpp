// SPDX-License-Identifier: MIT
#include "registry/owner_match.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "model/unit.h"

namespace bindtrace {
namespace {

// As the registry names it: a template stands for each of its instances.
bool is_unit(const std::string& unit, const std::string& wanted) {
    return unit == wanted || template_of(unit) == wanted;
}

bool unit_has(const std::string& wanted, const HeldSocket& socket, const UnitFiles& units) {
    if (const auto made_by = system_socket_unit(socket.holder)) {
        const SocketUnit* unit = units.socket(*made_by);
        const std::string service =
            unit != nullptr ? unit->service : made_by->substr(0, made_by->rfind('.')) + ".service";
        if (is_unit(*made_by, wanted) || is_unit(service, wanted)) return true;
    }
    const SocketUnit* asked = units.socket(wanted);
    return std::ranges::any_of(socket.users, [&](const Owner& user) {
        const auto unit = system_unit_of(user);
        return unit && (is_unit(*unit, wanted) || (asked != nullptr && is_unit(*unit, asked->service)));
    });
}

// `answer` gives nothing where it does not know. One that says yes is enough.
MatchResult any_user(const HeldSocket& socket, const char* what,
                     const std::function<std::optional<bool>(const Owner&)>& answer) {
    MatchResult result;
    for (const Owner& user : socket.users) {
        const auto is = answer(user);
        if (is && *is) return {Match::yes};
        if (!is) result = {Match::unknown, std::string(what) + " of its holder is not known"};
    }
    return result;
}

MatchResult match_unit(const std::string& name, const HeldSocket& socket, const UnitFiles& units) {
    if (unit_has(units.canonical(name), socket, units)) return {Match::yes};
    return any_user(socket, "the cgroup",
                    [](const Owner& user) { return user.cgroup_path ? std::optional(false) : std::nullopt; });
}

MatchResult match_container(const std::string& name, const HeldSocket& socket) {
    const ContainerFacts& facts = socket.holder.container;
    if (is_called(facts, name)) return {Match::yes};
    if (facts.container && !facts.container->name) return {Match::unknown, "the name of its container is not known"};
    return any_user(socket, "the cgroup",
                    [](const Owner& user) { return user.cgroup_path ? std::optional(false) : std::nullopt; });
}

MatchResult match_user(const std::string& name, const HeldSocket& socket) {
    return any_user(socket, "the user", [&](const Owner& user) -> std::optional<bool> {
        if (std::to_string(user.task.uid) == name) return true;
        if (user.user) return *user.user == name;
        return std::nullopt;
    });
}

MatchResult match_exe(const std::string& path, const HeldSocket& socket) {
    return any_user(socket, "the program", [&](const Owner& user) -> std::optional<bool> {
        if (!user.process || !user.process->exe) return std::nullopt;
        // A package that was upgraded under a running service leaves it the file it was started from.
        return *user.process->exe == path || *user.process->exe == path + " (deleted)";
    });
}

MatchResult match_owner(const OwnerRule& owner, const HeldSocket& socket, const UnitFiles& units) {
    switch (owner.kind) {
        case OwnerRule::Kind::unit:
            return match_unit(owner.name, socket, units);
        case OwnerRule::Kind::container:
            return match_container(owner.name, socket);
        case OwnerRule::Kind::user:
            return match_user(owner.name, socket);
        case OwnerRule::Kind::exe:
            return match_exe(owner.name, socket);
    }
    return {};
}

}  // namespace

std::optional<std::string> system_unit_of(const Owner& user) {
    const UnitPlace place = user.cgroup_path ? place_of_cgroup(*user.cgroup_path) : UnitPlace{};
    return place.unit && !place.in_user_manager ? std::optional(std::string(*place.unit)) : std::nullopt;
}

std::optional<std::string> system_socket_unit(const Holder& holder) {
    const UnitPlace place = holder.socket_cgroup_path ? place_of_cgroup(*holder.socket_cgroup_path) : UnitPlace{};
    const auto unit = place.socket_unit();
    return unit && !place.in_user_manager ? std::optional(std::string(*unit)) : std::nullopt;
}

MatchResult match_owners(const std::vector<OwnerRule>& owners, const HeldSocket& socket, const UnitFiles& units) {
    MatchResult best;
    for (const OwnerRule& owner : owners) {
        MatchResult result = match_owner(owner, socket, units);
        if (result.match > best.match) best = std::move(result);
    }
    // Of a connection that nobody has open any more it is known that it is nobody's.
    const bt_holder& raw = socket.holder.raw;
    if (best.match == Match::no && !owners.empty() && socket.users.empty() && raw.of_kernel == 0 && raw.sock.inode != 0)
        return {Match::unknown, "who has it open was not to be seen"};
    return best;
}

}  // namespace bindtrace
