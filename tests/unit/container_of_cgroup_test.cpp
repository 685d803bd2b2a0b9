// SPDX-License-Identifier: MIT
// Paths as the runtimes make them, and paths that only look like theirs.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/container.h"

namespace bindtrace {
namespace {

const std::string kId = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";
const std::string kOtherId(64, 'a');
const std::string kUid = "6c5b1d9a-0f3e-4c52-9d86-0c1f7f5b7d11";
const std::string kUidOfSystemd = "6c5b1d9a_0f3e_4c52_9d86_0c1f7f5b7d11";
const std::string kUser = "/user.slice/user-1000.slice/user@1000.service";

struct Case {
    std::string path;
    std::string runtime, id;
    std::string pod_uid{};
    std::optional<std::uint32_t> user{};
};

TEST(ContainerOfCgroup, ReadsThePathsOfEachRuntime) {
    const std::vector<Case> cases = {
        {"/system.slice/docker-" + kId + ".scope", "docker", kId},
        {"/system.slice/docker-" + kId + ".scope/init.scope", "docker", kId},  // systemd in a container
        {"/docker/" + kId, "docker", kId},
        {"/docker/" + kId + "/system.slice/nginx.service", "docker", kId},
        {kUser + "/user.slice/docker-" + kId + ".scope", "docker", kId, "", 1000},
        {"/machine.slice/libpod-" + kId + ".scope", "podman", kId},
        {"/machine.slice/libpod-" + kId + ".scope/container", "podman", kId},
        {"/machine.slice/libpod-conmon-" + kId + ".scope", "podman", kId},
        {"/machine.slice/machine-libpod_pod_" + kOtherId + ".slice/libpod-" + kId + ".scope/container", "podman", kId},
        {"/libpod_parent/libpod-" + kId, "podman", kId},
        {kUser + "/user.slice/libpod-" + kId + ".scope/container", "podman", kId, "", 1000},
        {"/system.slice/pod.service/libpod-payload-x/libpod-" + kId, "podman", kId},
        {"/system.slice/quad.service/libpod-payload-" + kId, "podman", kId},  // Quadlet, and --cgroups=split
        {kUser + "/app.slice/quad.service/libpod-payload-" + kId + "/init.scope", "podman", kId, "", 1000},
        {"/system.slice/nerdctl-" + kId + ".scope", "containerd", kId},
        {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + kUidOfSystemd + ".slice/cri-containerd-" +
             kId + ".scope",
         "containerd", kId, kUidOfSystemd},
        {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + kUidOfSystemd + ".slice/crio-" + kId +
             ".scope",
         "cri-o", kId, kUidOfSystemd},
        {"/kubepods.slice/kubepods-pod" + kUidOfSystemd + ".slice/docker-" + kId + ".scope", "docker", kId,
         kUidOfSystemd},
        {"/kubepods/burstable/pod" + kUid + "/" + kId, "", kId, kUid},
        {"/kubepods/besteffort/pod" + kUid + "/crio-" + kId, "cri-o", kId, kUid},
        {"/kubepods/pod0d1e2f30415263748596a7b8c9dadbec/" + kId, "", kId, "0d1e2f30415263748596a7b8c9dadbec"},
        {"/system.slice/containerd.service/kubepods-burstable-pod" + kUidOfSystemd + ".slice:cri-containerd:" + kId,
         "containerd", kId, kUidOfSystemd},
        // k3s, whose containerd has cgroups of systemd's or its own, by what it was started by
        {"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + kUidOfSystemd +
             ".slice/cri-containerd-" + kId + ".scope",
         "containerd", kId, kUidOfSystemd},
        {"/kubepods/besteffort/pod" + kUid + "/" + kId, "", kId, kUid},
        // a kubelet with a slice of its own; crun's folder for its container; who watches a pod of CRI-O's
        {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" +
             kUidOfSystemd + ".slice/cri-containerd-" + kId + ".scope",
         "containerd", kId, kUidOfSystemd},
        {"/kubepods.slice/kubepods-pod" + kUidOfSystemd + ".slice/crio-" + kId + ".scope/container", "cri-o", kId,
         kUidOfSystemd},
        {"/kubepods.slice/kubepods-pod" + kUidOfSystemd + ".slice/crio-conmon-" + kId + ".scope", "cri-o", kId,
         kUidOfSystemd},
        {"/lxc.payload.web", "lxc", "web"},
        {"/lxc.payload.web/system.slice/nginx.service", "lxc", "web"},
        {"/lxc.payload/web", "lxc", "web"},
        {"/lxc/104/ns/system.slice/nginx.service", "lxc", "104"},
        {"/lxc.monitor.web", "lxc", "web"},
        {"/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn", "web"},
        {"/machine.slice/machine-web\\x2d1.scope/payload/system.slice", "machine", "web\\x2d1"},
        {"/system.slice/docker-" + kId + ".scope/kubepods/burstable/pod" + kUid + "/" + kOtherId, "docker",
         kId},  // kind
        {"/docker/" + kId + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + kUidOfSystemd +
             ".slice/cri-containerd-" + kOtherId + ".scope",
         "docker", kId},  // kind too
    };
    for (const Case& expected : cases) {
        const auto found = container_of_cgroup(expected.path);
        ASSERT_TRUE(found) << expected.path;
        EXPECT_EQ(found->runtime, expected.runtime) << expected.path;
        EXPECT_EQ(found->id, expected.id) << expected.path;
        EXPECT_EQ(found->pod_uid.value_or(""), expected.pod_uid) << expected.path;
        EXPECT_EQ(found->user, expected.user) << expected.path;
    }
}

TEST(ContainerOfCgroup, IsNothingWhereItOnlyLooksLikeOne) {
    const std::string short_id = kId.substr(1), upper = "A" + kId.substr(1);
    std::string deep;
    for (int i = 0; i < 2000; ++i) deep += "/d";
    const std::vector<std::string> paths = {std::string(),
                                            "/",
                                            "//",
                                            "/system.slice/docker.service",
                                            "/system.slice/docker-" + kId + ".service",
                                            "/system.slice/docker-" + short_id + ".scope",
                                            "/system.slice/docker-" + kId + "0.scope",
                                            "/system.slice/docker-" + upper + ".scope",
                                            "/system.slice/docker-" + kId,
                                            "/system.slice/mydocker-" + kId + ".scope",
                                            "/system.slice/" + kId,
                                            "/docker/" + short_id,
                                            "/docker",
                                            "/system.slice/x.service/" + kId,
                                            "/kubepods/" + kId,
                                            "/kubepods/podx/" + kId,
                                            "/system.slice/docker.service/docker/buildkit/" + kId.substr(0, 25),
                                            "/system.slice/libpod-payload-" + kId + ".service",
                                            "/system.slice/docker-" + kId + "\\x2escope",
                                            "/system.slice/\\x64ocker-" + kId + ".scope",
                                            "/system.slice/docker-" + kId + ".scope\n",
                                            "/kubepods/burstable/pod" + kUid + "x/" + kId,
                                            "/kubepods.slice/kubepods-podx.slice/" + kId,
                                            "/lxc",
                                            "/lxc.payload.",
                                            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
                                            "/system.slice/machine-web.scope",
                                            "/machine.slice/machine-.scope",
                                            "/x:cri-containerd:" + short_id,
                                            deep,
                                            "/" + std::string(100'000, 'a')};
    for (const std::string& path : paths) EXPECT_FALSE(container_of_cgroup(path)) << path.substr(0, 200);
    EXPECT_TRUE(container_of_cgroup(deep + "/docker/" + kId)) << "however deep";
}

}  // namespace
}  // namespace bindtrace
