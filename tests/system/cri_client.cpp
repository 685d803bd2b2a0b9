// SPDX-License-Identifier: MIT
#include "cri_client.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "sink/protobuf.h"

namespace bindtrace {
namespace {

std::string file(const char* path) {
    std::ifstream bytes(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(bytes), {}};
}

// The message with its length before it; the answer is taken for the one field that matters: an id.
std::string ask(const char* method, const ProtoMessage& request) {
    const std::string& bytes = request.serialized();
    std::string frame(1, '\0');  // not compressed
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(bytes.size() >> shift);
    std::ofstream("/tmp/cri-request", std::ios::binary) << frame << bytes;
    const Ended ended = run(
        {"/usr/bin/curl", "-sS", "--http2-prior-knowledge", "--unix-socket", "/run/containerd/containerd.sock", "-H",
         "content-type: application/grpc", "-H", "te: trailers", "-D", "/tmp/cri-status", "-o", "/tmp/cri-answer",
         "--data-binary", "@/tmp/cri-request", std::string("http://localhost/runtime.v1.RuntimeService/") + method},
        std::chrono::seconds(120));
    const std::string status = file("/tmp/cri-status"), answer = file("/tmp/cri-answer");
    EXPECT_NE(status.find("grpc-status: 0"), std::string::npos) << method << ": " << status << ended.errors;
    constexpr std::size_t kBefore = 7, kId = 64;  // five of the frame, two of the field
    return answer.size() >= kBefore + kId ? answer.substr(kBefore, kId) : "";
}

ProtoMessage named(const std::string& name) {
    ProtoMessage message;
    message.bytes(1, name);
    return message;
}

ProtoMessage config_of(const CriPod& pod) {
    ProtoMessage metadata = named(pod.name);
    metadata.bytes(2, pod.uid);
    metadata.bytes(3, kCriNamespace);
    ProtoMessage config;
    config.message(1, metadata);
    if (!pod.host_network) config.bytes(2, pod.name);
    if (pod.host_port != 0) {
        ProtoMessage mapping;
        mapping.number(2, 80);
        mapping.number(3, pod.host_port);
        config.message(5, mapping);
    }
    ProtoMessage namespaces, security, system = named(pod.cgroup_parent);
    constexpr int kOfTheNode = 2;
    namespaces.number(1, pod.host_network ? kOfTheNode : 0);
    security.message(1, namespaces);
    system.message(2, security);
    config.message(8, system);
    return config;
}

}  // namespace

std::string run_pod(CriPod& pod) {
    ProtoMessage request;
    request.message(1, config_of(pod));
    request.bytes(2, pod.handler);
    return pod.sandbox = ask("RunPodSandbox", request);
}

std::string start_container(const CriPod& pod, const std::string& name, const Words& command, int attempt) {
    ProtoMessage metadata = named(name), container, create, start;
    metadata.number(2, static_cast<std::uint64_t>(attempt));
    container.message(1, metadata);
    container.message(2, named(kCriImage));
    for (const std::string& word : command) container.bytes(3, word);
    create.bytes(1, pod.sandbox);
    create.message(2, container);
    create.message(3, config_of(pod));
    const std::string id = ask("CreateContainer", create);
    start.bytes(1, id);
    ask("StartContainer", start);
    return id;
}

}  // namespace bindtrace
