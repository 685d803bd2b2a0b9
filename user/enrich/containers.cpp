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

std::optional<ContainerFacts> state_of(const StateFiles& files, const ContainerPath& path) {
    if (path.runtime == "docker") {
        auto found = docker_container(files, path.id, path.user);
        return found ? std::optional(std::move(found->facts)) : std::nullopt;
    }
    if (path.runtime == "podman") return podman_container(files, path.id, path.user);
    return bundle_container(files, path.runtime, path.id);
}

// Is there nothing more to be found? A virtual machine is no container, however often one looks.
bool is_complete(const ContainerPath& path, const ContainerFacts& facts) {
    if (path.runtime == "systemd-nspawn") return true;
    return facts.container && facts.container->name && (!facts.pod || facts.pod->name);
}

}  // namespace

ContainerFacts Containers::look_up(const ContainerPath& path) const {
    if (path.runtime == "systemd-nspawn") return machine(files_, path.id);
    if (path.runtime == "lxc") {
        const std::string name(path.id);
        return {.container = Container{.runtime = "lxc", .id = name, .name = name, .image = {}}, .pod = {}};
    }
    ContainerFacts facts = state_of(files_, path).value_or(ContainerFacts{});
    if (!facts.container && path.runtime.empty()) {  // below kubepods: which runtime is not told
        if (auto found = docker_container(files_, path.id, path.user)) facts = std::move(found->facts);
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

const ContainerFacts* Containers::find(std::uint64_t cgroup_id, std::string_view path) {
    Known* known = known_.find(cgroup_id);
    if (known == nullptr || !known->complete) {
        const auto now = std::chrono::steady_clock::now();
        if (known != nullptr && now < known->retry) return &known->facts;
        const auto container = container_of_cgroup(path);
        ContainerFacts facts = container ? look_up(*container) : ContainerFacts{};
        const bool complete = !container || is_complete(*container, facts);
        known = &known_.insert(cgroup_id, {.facts = std::move(facts),
                                           .is_container = container.has_value(),
                                           .complete = complete,
                                           .retry = now + kRetry});
    }
    return known->is_container ? &known->facts : nullptr;
}

}  // namespace bindtrace
