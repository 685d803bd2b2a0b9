// SPDX-License-Identifier: MIT
#include "enrich/containers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>

#include "enrich/docker_state.h"
#include "enrich/oci_bundle.h"
#include "enrich/podman_state.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

ContainerFacts named(std::string runtime, const std::string& name) {
    return {.container = Container{.runtime = std::move(runtime), .id = name, .name = name, .image = {}}, .pod = {}};
}

// By what systemd-machined noted of it: SERVICE= is who made it (systemd-nspawn, libvirt-lxc), CLASS= may be vm.
ContainerFacts machine(const StateFiles& files, std::string_view name) {
    const std::string plain = unescape_unit(name);
    if (plain.find('/') != std::string::npos) return {};
    std::istringstream lines(files.text("/run/systemd/machines/" + plain).value_or(""));
    std::string service;
    bool is_container = false;
    for (std::string line; std::getline(lines, line);) {
        if (line == "CLASS=container") is_container = true;
        if (line.starts_with("SERVICE=")) service = line.substr(std::strlen("SERVICE="));
    }
    return is_container ? named(service, plain) : ContainerFacts{};
}

// LXC's own, or made with its library by LXD or Incus: whoever has a folder for it. Where LXC finds the cgroup of its
// choice taken, by what an earlier one left behind, it counts: lxc.payload.web-1.
ContainerFacts lxc(const StateFiles& files, std::string_view id) {
    struct Maker {
        const char *runtime, *folder;
    };
    constexpr std::array<Maker, 4> kMakers = {{{"lxc", "/var/lib/lxc/"},
                                               {"incus", "/var/lib/incus/containers/"},
                                               {"lxd", "/var/snap/lxd/common/lxd/containers/"},
                                               {"lxd", "/var/lib/lxd/containers/"}}};
    const std::string name(id);
    const std::size_t dash = name.rfind('-');
    const bool counted = dash != std::string::npos && dash + 1 < name.size() &&
                         name.find_first_not_of("0123456789", dash + 1) == std::string::npos;
    for (const std::string& called : {name, name.substr(0, counted ? dash : name.size())})
        for (const Maker& maker : kMakers)
            if (files.can_read(maker.folder + called)) return named(maker.runtime, called);
    return named("lxc", name);
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

// Is there nothing more to be found?
bool is_complete(const ContainerFacts& facts) {
    return facts.container && facts.container->name && (!facts.pod || facts.pod->name);
}

ContainerFacts facts_of(const StateFiles& files, const ContainerPath& path) {
    if (path.runtime == "systemd-nspawn") return named("systemd-nspawn", unescape_unit(path.id));
    if (path.runtime == "machine") return machine(files, path.id);
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
                                           .complete = !container || is_complete(*facts),
                                           .pause = pause,
                                           .retry = now + pause});
    }
    return known->is_container ? &known->facts : nullptr;
}

}  // namespace bindtrace
