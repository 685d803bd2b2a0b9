// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

// The pod that annotations (of containerd's CRI plugin or of CRI-O) or labels (of the kubelet) tell of.
std::optional<Pod> pod_of_annotations(const nlohmann::json& annotations);

// A running container of containerd or CRI-O, by the config.json of its bundle. An empty runtime: whichever has it.
std::optional<ContainerFacts> bundle_container(const StateFiles& files, std::string_view runtime, std::string_view id);

// One of containerd's that is called as its user likes, so that its cgroup's path alone says nothing: /default/web or
// /system.slice/ctr-web.scope. Only where its bundle says that it was put in just that cgroup.
std::optional<ContainerFacts> bundle_of_cgroup(const StateFiles& files, std::string_view path);

}  // namespace bindtrace
