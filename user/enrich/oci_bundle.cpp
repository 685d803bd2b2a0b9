// SPDX-License-Identifier: MIT
#include "enrich/oci_bundle.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

namespace bindtrace {
namespace {

using nlohmann::json;

std::optional<std::string> first_of(const json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys)
        if (auto found = string_in(object, key)) return found;
    return std::nullopt;
}

std::optional<ContainerFacts> read(const StateFiles& files, const std::string& bundle, std::string_view runtime,
                                   std::string_view id) {
    const auto config = files.json(bundle + "/config.json");
    if (!config) return std::nullopt;
    const json& annotations = object_in(*config, "annotations");
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
        for (const char* state : {"/run/containerd", "/run/k3s/containerd"}) {
            const std::string tasks = std::string(state) + "/io.containerd.runtime.v2.task";
            for (const std::string& space : files.names(tasks)) {
                if (auto found = read(files, fmt::format("{}/{}/{}", tasks, space, id), "containerd", id)) return found;
            }
        }
    }
    if (runtime != "containerd") {
        for (const char* storage : {"/run/containers/storage", "/var/lib/containers/storage"}) {
            const std::string bundle = std::string(storage) + "/overlay-containers/" + std::string(id) + "/userdata";
            if (auto found = read(files, bundle, "cri-o", id)) return found;
        }
    }
    return std::nullopt;
}

}  // namespace bindtrace
