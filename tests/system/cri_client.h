// SPDX-License-Identifier: MIT
// What the kubelet asks of containerd: gRPC by curl, since Debian has no client for it. Numbers of fields are those of
// runtime.v1 in Kubernetes' cri-api.
#pragma once

#include <cstdint>
#include <string>

#include "live/live_bindtrace.h"

namespace bindtrace {

struct CriPod {
    std::string name;
    std::string uid;
    std::string cgroup_parent;  // as the kubelet would call it
    bool host_network = true;
    std::uint16_t host_port = 0;  // leads to port 80 of a pod with a network of its own
    std::string handler{};        // of containerd's runtimes; empty: its default
    std::string sandbox{};        // set by run_pod
};

constexpr const char* kCriImage = "localhost/tiny:1";
constexpr const char* kCriNamespace = "shop";

// Ids; empty, and a failure of the test, where containerd refuses.
std::string run_pod(CriPod& pod);
std::string start_container(const CriPod& pod, const std::string& name, const Words& command, int attempt = 0);

}  // namespace bindtrace
