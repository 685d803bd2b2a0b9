// SPDX-License-Identifier: MIT
#include "enrich/containers.h"

#include <algorithm>

#include "enrich/docker_state.h"
#include "enrich/oci_bundle.h"
#include "enrich/podman_state.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

// What systemd-machined noted of it, if it did.
ContainerFacts machine(const StateFiles& files, std::string_view name) {
    ContainerFacts facts;
    const std::string plain = unescape_unit(name);
    if (plain.find('/') != std::string::npos) return facts;
    const auto note = files.text("/run/systemd/machines/" + plain);
    if (note && note->find("CLASS=vm") != std::string::npos) return facts;
    facts.container = Container{.runtime = "systemd-nspawn", .id = plain, .name = plain, .image = {}};
    return facts;
}

// Where LXC finds the cgroup of its choice taken, by what an earlier one left behind, it counts: lxc.payload.web-1.
ContainerFacts lxc(const StateFiles& files, std::string_view id) {
    std::string name(id);
    const std::size_t dash = name.rfind('-');
    const bool counted = dash != std::string::npos && dash + 1 < name.size() &&
                         name.find_first_not_of("0123456789", dash + 1) == std::string::npos;
    constexpr const char* kFolder = "/var/lib/lxc/";
    if (counted && !files.can_read(kFolder + name) && files.can_read(kFolder + name.substr(0, dash))) name.resize(dash);
    return {.container = Container{.runtime = "lxc", .id = name, .name = name, .image = {}}, .pod = {}};
}

std::optional<ContainerFacts> state_of(const StateFiles& files, const ContainerPath& path) {
    if (path.runtime == "docker") {
        auto found = docker_container(files, path.id, path.user);
        return found ? std::optional(std::move(found->facts)) : std::nullopt;
    }
    if (path.runtime == "podman") return podman_container(files, path.id, path.user);
    if (path.user) return std::nullopt;  // who may call a cgroup of theirs like a container of root's
    return bundle_container(files, path.runtime, path.id);
}

// Is there nothing more to be found? A virtual machine is no container, however often one looks.
bool is_complete(const ContainerPath& path, const ContainerFacts& facts) {
    if (path.runtime == "systemd-nspawn") return true;
    return facts.container && facts.container->name && (!facts.pod || facts.pod->name);
}

ContainerFacts facts_of(const StateFiles& files, const ContainerPath& path) {
    if (path.runtime == "systemd-nspawn") return machine(files, path.id);
    if (path.runtime == "lxc") return lxc(files, path.id);
    ContainerFacts facts = state_of(files, path).value_or(ContainerFacts{});
    if (!facts.container && path.runtime.empty()) {  // below kubepods: which runtime is not told
        if (auto found = docker_container(files, path.id, path.user)) facts = std::move(found->facts);
    }
    if (!facts.container && !path.runtime.empty())
        facts.container =
            Container{.runtime = std::string(path.runtime), .id = std::string(path.id), .name = {}, .image = {}};
    if (path.pod_uid) {
        if (!facts.pod) facts.pod.emplace();
        if (!facts.pod->uid) {
            facts.pod->uid = std::string(*path.pod_uid);
            std::ranges::replace(*facts.pod->uid, '_', '-');
        }
    }
    return facts;
}

}  // namespace

std::optional<ContainerFacts> Containers::look_up(std::string_view path) const {
    const auto container = container_of_cgroup(path);
    return container ? facts_of(files_, *container) : bundle_of_cgroup(files_, path);
}

const ContainerFacts* Containers::find(std::uint64_t cgroup_id, std::string_view path) {
    Known* known = known_.find(cgroup_id);
    if (known == nullptr || !known->complete) {
        const auto now = std::chrono::steady_clock::now();
        if (known != nullptr && now < known->retry) return &known->facts;
        const auto pause = known != nullptr ? std::min(known->pause * 2, kLongestPause) : kFirstPause;
        const auto facts = look_up(path);
        const auto container = container_of_cgroup(path);
        known = &known_.insert(cgroup_id, {.facts = facts.value_or(ContainerFacts{}),
                                           .is_container = facts.has_value(),
                                           .complete = !container || is_complete(*container, *facts),
                                           .pause = pause,
                                           .retry = now + pause});
    }
    return known->is_container ? &known->facts : nullptr;
}

}  // namespace bindtrace
