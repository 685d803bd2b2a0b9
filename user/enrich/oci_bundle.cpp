// SPDX-License-Identifier: MIT
#include "enrich/oci_bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

#include "enrich/json_parts.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

using nlohmann::json;

std::optional<std::string> first_of(const json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys)
        if (auto found = string_in(object, key)) return found;
    return std::nullopt;
}

// Where containerd keeps the bundles of a namespace, which k3s has in a place of its own.
constexpr std::array<std::string_view, 2> kTasks = {"/run/containerd/io.containerd.runtime.v2.task",
                                                    "/run/k3s/containerd/io.containerd.runtime.v2.task"};

// Nothing where the configuration is no JSON.
std::optional<ContainerFacts> facts_of(std::string_view config, std::string_view runtime, std::string_view id) {
    const auto written = json_member(config, "annotations");
    if (!written) return std::nullopt;
    const json annotations = json::parse(*written, nullptr, false);
    ContainerFacts facts;
    facts.pod = pod_of_annotations(annotations);
    Container& container = facts.container.emplace();
    container.runtime = runtime;
    container.id = id;
    container.name = first_of(annotations, {"io.kubernetes.cri.container-name", "io.kubernetes.container.name",
                                            "nerdctl/name", "io.podman.annotations.name"});
    container.image = first_of(annotations, {"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.UserRequestedImage",
                                             "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image"});
    return facts;
}

std::optional<ContainerFacts> read_bundle(const StateFiles& files, const std::string& bundle, std::string_view runtime,
                                          std::string_view id) {
    const auto config = files.text(bundle + "/config.json");
    return config ? facts_of(*config, runtime, id) : std::nullopt;
}

// Where the runtime was told to put it.
std::optional<std::string> cgroup_in(std::string_view config) {
    const auto of_linux = json_member(config, "linux");
    const auto written = of_linux ? json_member(*of_linux, "cgroupsPath") : std::nullopt;
    const json path = json::parse(written.value_or(""), nullptr, false);
    return path.is_string() ? std::optional(path.get<std::string>()) : std::nullopt;
}

// In what the runtime was told, a cgroup of systemd's is "system.slice:ctr:web", and any other its path.
struct Told {
    std::string cgroup;
    std::string_view id;
};

std::optional<Told> told_of(std::string_view path) {
    constexpr std::string_view kScope = ".scope";
    if (const UnitPlace place = place_of_cgroup(path); place.unit) {
        if (!place.unit->ends_with(kScope) || place.session || place.in_user_manager) return std::nullopt;
        const std::string_view name = place.unit->substr(0, place.unit->size() - kScope.size());
        const std::size_t dash = name.find('-');
        if (dash == std::string_view::npos) return std::nullopt;
        return Told{fmt::format("{}:{}:{}", *place.slice, name.substr(0, dash), name.substr(dash + 1)),
                    name.substr(dash + 1)};
    }
    if (!path.starts_with('/') || path.substr(0, path.find('/', 1)).ends_with(".slice")) return std::nullopt;
    const std::size_t middle = path.find('/', 1);
    if (middle == std::string_view::npos) return std::nullopt;
    const std::size_t end = std::min(path.find('/', middle + 1), path.size());
    return Told{std::string(path.substr(0, end)), path.substr(middle + 1, end - middle - 1)};
}

}  // namespace

std::optional<Pod> pod_of_annotations(const json& annotations) {
    Pod pod;
    pod.name_space = first_of(annotations, {"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"});
    pod.name = first_of(annotations, {"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"});
    pod.uid = first_of(annotations, {"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"});
    pod.container = first_of(annotations, {"io.kubernetes.cri.container-name", "io.kubernetes.container.name"});
    if (!pod.name_space && !pod.name && !pod.uid) return std::nullopt;
    return pod;
}

std::optional<ContainerFacts> bundle_container(const StateFiles& files, std::string_view runtime, std::string_view id) {
    if (runtime != "cri-o") {
        for (const std::string_view tasks : kTasks) {
            for (const std::string& space : files.names(std::string(tasks))) {
                if (auto found = read_bundle(files, fmt::format("{}/{}/{}", tasks, space, id), "containerd", id))
                    return found;
            }
        }
    }
    if (runtime != "containerd") {
        for (const char* storage : {"/run/containers/storage", "/var/lib/containers/storage"}) {
            const std::string bundle = std::string(storage) + "/overlay-containers/" + std::string(id) + "/userdata";
            if (auto found = read_bundle(files, bundle, "cri-o", id)) return found;
        }
    }
    return std::nullopt;
}

std::optional<ContainerFacts> bundle_of_cgroup(const StateFiles& files, std::string_view path) {
    const auto told = told_of(path);
    if (!told || told->id.empty()) return std::nullopt;
    for (const std::string_view tasks : kTasks) {
        for (const std::string& space : files.names(std::string(tasks))) {
            const auto config = files.text(fmt::format("{}/{}/{}/config.json", tasks, space, told->id));
            if (!config || cgroup_in(*config) != told->cgroup) continue;
            auto facts = facts_of(*config, "containerd", told->id);
            if (!facts) continue;
            if (!facts->container->name) facts->container->name = facts->container->id;
            return facts;
        }
    }
    return std::nullopt;
}

}  // namespace bindtrace
