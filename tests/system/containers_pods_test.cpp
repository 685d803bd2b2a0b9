// SPDX-License-Identifier: MIT
// Pods as the kubelet has containerd make them, containers of containerd's alone, and pods as CRI-O leaves them.
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "containers_world.h"
#include "cri_client.h"

namespace bindtrace {
namespace {

const std::string kUid = "6c5b1d9a-0f3e-4c52-9d86-0c1f7f5b7d11";
const std::string kSlice = "kubepods-burstable-pod6c5b1d9a_0f3e_4c52_9d86_0c1f7f5b7d11.slice";

Words server(std::uint16_t port) {
    return {"/bin/busybox", "httpd", "-f", "-h", "/www", "-p", std::to_string(port)};
}

class Pods : public Containers {
  protected:
    static void SetUpTestSuite() {
        Containers::SetUpTestSuite();
        // The default runtime has its cgroups made by systemd, the other one makes them itself.
        must(R"(mkdir -p /etc/containerd && cat >/etc/containerd/config.toml <<'TOML'
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/tiny:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.cgroupfs]
    runtime_type = "io.containerd.runc.v2"
TOML
cat >/etc/cni/net.d/10-pods.conflist <<'JSON'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
 {"type": "bridge", "bridge": "cni9", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.44.0.0/24"}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
systemctl restart containerd.service)");
        must(R"(cd /tmp && sum=$(sha256sum tiny.tar | cut -c 1-64)
echo '{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/busybox", "sleep", "9999"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:'$sum'"]}}' >config.json
echo '[{"Config": "config.json", "RepoTags": ["localhost/tiny:1"], "Layers": ["tiny.tar"]}]' >manifest.json
tar -cf image.tar manifest.json config.json tiny.tar
for space in k8s.io default; do ctr -n $space images import image.tar || exit 1; done)");
    }
    static void TearDownTestSuite() {
        shell(
            "for space in k8s.io default; do for task in $(ctr -n $space tasks list -q); do "
            "ctr -n $space tasks kill -s KILL $task; done; done; systemctl stop containerd.service; "
            "rm -f /etc/cni/net.d/10-pods.conflist /etc/containerd/config.toml");
        Containers::TearDownTestSuite();
    }

    static void expect_pod(const Json& place, const std::string& name, const std::string& uid) {
        EXPECT_EQ(place["pod"]["namespace"], "shop") << place;
        EXPECT_EQ(place["pod"]["name"], name) << place;
        EXPECT_EQ(place["pod"]["uid"], uid) << place;
        EXPECT_EQ(place["pod"]["container"], "nginx") << place;
        EXPECT_EQ(place["container"]["name"], "nginx") << place;
        EXPECT_EQ(place["container"]["image"], kCriImage) << place;
    }
};

TEST_F(Pods, OneOnTheHostsNetworkIsNamedAndItsFailuresToo) {
    CriPod pod{.name = "web-1", .uid = kUid, .cgroup_parent = "/kubepods.slice/kubepods-burstable.slice/" + kSlice};
    ASSERT_FALSE(run_pod(pod).empty());
    const std::string id = start_container(pod, "nginx", server(8091));
    const Json made = bind_of(8091, "ok");
    expect_pod(made, "web-1", kUid);
    EXPECT_EQ(made["container"]["id"], id);
    EXPECT_EQ(made["cgroup"]["path"],
              "/kubepods.slice/kubepods-burstable.slice/" + kSlice + "/cri-containerd-" + id + ".scope");
    const Json conflict = conflict_at(8091);
    expect_pod(conflict["holders"][0], "web-1", kUid);
    EXPECT_NE(conflict["summary"].get<std::string>().find("in container nginx of pod shop/web-1"), std::string::npos)
        << conflict["summary"];
    EXPECT_TRUE(advises(conflict, "give pod shop/web-1 another hostPort, or no hostNetwork")) << conflict["advice"];
    EXPECT_EQ(who(8091)["pod"]["name"], "web-1");

    start_container(pod, "nginx", server(8091), 1);  // beside the first
    const Json failed = bind_of(8091, "EADDRINUSE");
    expect_pod(failed, "web-1", kUid);
    expect_pod(failed["conflict"]["holders"][0], "web-1", kUid);

    must("ctr -n k8s.io tasks kill -s KILL " + id);
    CriPod moved{.name = "web-2", .uid = kUid, .cgroup_parent = pod.cgroup_parent};  // as advised
    ASSERT_FALSE(run_pod(moved).empty());
    start_container(moved, "nginx", server(8191));
    bind_of(8191, "ok");
    EXPECT_EQ(take_port(8091, true), 0);
}

TEST_F(Pods, OneWhoseCgroupsAreNotMadeBySystemdIsNamedAlike) {
    CriPod pod{.name = "api-1", .uid = kUid, .cgroup_parent = "/kubepods/burstable/pod" + kUid, .handler = "cgroupfs"};
    ASSERT_FALSE(run_pod(pod).empty());
    const std::string id = start_container(pod, "nginx", server(8092));
    const Json made = bind_of(8092, "ok");
    expect_pod(made, "api-1", kUid);
    EXPECT_EQ(made["cgroup"]["path"], "/kubepods/burstable/pod" + kUid + "/" + id);
    EXPECT_EQ(made["container"]["runtime"], "containerd");
}

// The plugin's rules of NAT take what comes from outside; no socket has the port.
TEST_F(Pods, AHostPortThatOnlyNatPublishesRefusesNobody) {
    CriPod pod{.name = "nat-1",
               .uid = kUid,
               .cgroup_parent = "/kubepods.slice/kubepods-burstable.slice/" + kSlice,
               .host_network = false,
               .host_port = 8097};
    ASSERT_FALSE(run_pod(pod).empty());
    start_container(pod, "nginx", server(80));
    const Json made = bind_of(80, "ok");
    expect_pod(made, "nat-1", kUid);
    EXPECT_EQ(made["netns"]["name"], "shop/nat-1");
    EXPECT_EQ(take_port(8097, true), 0);
    const Ended told = run_bindtrace({"who", "8097"});
    EXPECT_EQ(told.code, 3) << "nobody holds it";
    EXPECT_NE(told.errors.find("8097/tcp is the hostPort of pod shop/nat-1 (its port 80)"), std::string::npos)
        << told.errors;
}

TEST_F(Pods, ContainersOfContainerdAloneAreCalledAsTheirUserCalledThem) {
    must("ctr run -d --net-host localhost/tiny:1 shelf /bin/busybox httpd -f -h /www -p 8093");
    const Json made = bind_of(8093, "ok");
    EXPECT_EQ(made["cgroup"]["path"], "/default/shelf");
    EXPECT_EQ(made["container"]["name"], "shelf") << made;
    EXPECT_EQ(made["container"]["runtime"], "containerd");
    EXPECT_EQ(conflict_at(8093)["holders"][0]["container"]["name"], "shelf");
    must(
        "ctr run -d --net-host --runc-systemd-cgroup --cgroup system.slice:ctr:my-shelf localhost/tiny:1 my-shelf "
        "/bin/busybox httpd -f -h /www -p 8094");
    const Json scoped = bind_of(8094, "ok");
    EXPECT_EQ(scoped["cgroup"]["path"], "/system.slice/ctr-my-shelf.scope");
    EXPECT_EQ(scoped["container"]["name"], "my-shelf") << scoped;
}

// Debian has no CRI-O: its layout, its annotations, and a real container of its runtime.
TEST_F(Pods, OneLaidOutAsCrioDoesIsNamed) {
    const std::string id(64, 'b');
    const std::string bundle = "/run/containers/storage/overlay-containers/" + id + "/userdata";
    std::filesystem::create_directories(bundle);
    must("cd " + bundle + " && crun spec");
    Json spec = Json::parse(std::ifstream(bundle + "/config.json"));
    spec["process"]["terminal"] = false;
    spec["process"]["args"] = server(8096);
    spec["root"] = {{"path", "/tmp/image"}, {"readonly", true}};
    Json& namespaces = spec["linux"]["namespaces"];
    for (std::size_t i = 0; i < namespaces.size(); ++i)
        if (namespaces[i]["type"] == "network") namespaces.erase(i);
    spec["linux"]["cgroupsPath"] = kSlice + ":crio:" + id;
    spec["annotations"] = {{"io.kubernetes.container.name", "nginx"},    {"io.kubernetes.pod.name", "crio-1"},
                           {"io.kubernetes.pod.namespace", "shop"},      {"io.kubernetes.pod.uid", kUid},
                           {"io.kubernetes.cri-o.ImageName", kCriImage}, {"io.container.manager", "cri-o"}};
    std::ofstream(bundle + "/config.json") << spec;
    must("crun --systemd-cgroup run --detach --bundle " + bundle + " " + id + " </dev/null >/dev/null 2>&1");
    const Json made = bind_of(8096, "ok");
    expect_pod(made, "crio-1", kUid);
    EXPECT_EQ(made["container"]["runtime"], "cri-o");
    EXPECT_TRUE(made["cgroup"]["path"].get<std::string>().starts_with("/kubepods.slice/kubepods-burstable.slice/" +
                                                                      kSlice + "/crio-" + id + ".scope"))
        << made["cgroup"];
    expect_pod(conflict_at(8096)["holders"][0], "crio-1", kUid);
    must("crun delete --force " + id);
}

}  // namespace
}  // namespace bindtrace
