// SPDX-License-Identifier: MIT
// What it costs to say which container a cgroup is of, for each runtime, the first time and from then on; and which
// container port stands behind a port that Podman publishes. The files are as large as the runtimes write them.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sqlite3.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "enrich/containers.h"
#include "enrich/podman_state.h"
#include "enrich/published_ports.h"
#include "measure.h"

namespace {

using namespace bindtrace;

constexpr int kOthers = 20;  // containers on the same host
constexpr std::uint32_t kAlice = 1000;
const std::string kId = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";
const std::string kPodUid = "6c5b1d9a_0f3e_4d52_9d35_7c1c5d0a6b11";

std::string other_id(int number) {
    return fmt::format("{:064x}", 0xabcdef00u + static_cast<unsigned>(number));
}

// `count` strings, as JSON.
std::string strings(const char* pattern, int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += (i == 0 ? "\"" : ",\"") + fmt::format(fmt::runtime(pattern), i) + '"';
    return '[' + list + ']';
}

// An OCI bundle's config.json with runc's defaults: most of it are system calls by name.
std::string bundle(const std::string& annotations) {
    std::string mounts;
    for (int i = 0; i < 16; ++i)
        mounts += fmt::format(
            R"({}{{"destination":"/var/run/secrets/volume-{}","type":"bind","source":"/var/lib/kubelet/pods/{}/volumes/kubernetes.io~projected/volume-{}","options":["rbind","rprivate","ro"]}})",
            i == 0 ? "" : ",", i, kPodUid, i);
    const std::string capabilities = strings("CAP_OF_SOME_KIND_{}", 14);
    return R"({"ociVersion":"1.1.0","process":{"user":{"uid":0,"gid":0},"args":["/server","--listen"],"env":)" +
           strings("SHOP_WEB_SERVICE_PORT_{}_TCP=tcp://10.96.0.1:443", 40) +
           R"(,"cwd":"/","capabilities":{"bounding":)" + capabilities + R"(,"effective":)" + capabilities +
           R"(,"permitted":)" + capabilities + R"(}},"root":{"path":"rootfs"},"mounts":[)" + mounts +
           R"(],"annotations":)" + annotations +
           R"(,"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}],"cpu":{"shares":102}},"cgroupsPath":)" +
           R"("kubepods-besteffort-podx.slice:cri-containerd:)" + kId + R"(","namespaces":[{"type":"pid"},)" +
           R"({"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network","path":"/proc/1/ns/net"}],)" +
           R"("maskedPaths":)" + strings("/proc/masked_{}", 12) +
           R"(,"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"syscalls":[{"names":)" +
           strings("some_system_call_{}", 400) + R"(,"action":"SCMP_ACT_ALLOW"}]}}})";
}

const std::string kOfContainerd =
    R"({"io.kubernetes.cri.container-name":"nginx","io.kubernetes.cri.container-type":"container",)"
    R"("io.kubernetes.cri.image-name":"docker.io/library/nginx:1.27","io.kubernetes.cri.sandbox-id":"x",)"
    R"("io.kubernetes.cri.sandbox-name":"web-1","io.kubernetes.cri.sandbox-namespace":"shop",)"
    R"("io.kubernetes.cri.sandbox-uid":"6c5b1d9a-0f3e"})";

// CRI-O notes all that it was asked for, volumes and labels too, as JSON in strings.
std::string of_crio() {
    return R"({"io.kubernetes.container.name":"api","io.kubernetes.pod.name":"api-1","io.kubernetes.pod.namespace":)"
           R"("shop","io.kubernetes.pod.uid":"0d1e2f30","io.kubernetes.cri-o.ImageName":"quay.io/api:2",)"
           R"("io.kubernetes.cri-o.Volumes":")" +
           std::string(4000, 'v') + R"(","io.kubernetes.cri-o.Labels":")" + std::string(2000, 'l') + R"("})";
}

std::string podman_list() {
    std::string entries;
    for (int i = 0; i <= kOthers; ++i)
        entries += fmt::format(
            R"({}{{"id":"{}","names":["web{}"],"image":"{}","layer":"{}","metadata":"{{\"image-name\":\"localhost/tiny:1\",\"image-id\":\"{}\",\"name\":\"web{}\",\"created-at\":1795341087,\"mountlabel\":\"\"}}","created":"2026-11-22T09:51:28.123456789Z","flags":{{"MountLabel":"","ProcessLabel":""}}}})",
            i == 0 ? "" : ",", i == kOthers ? kId : other_id(i), i, other_id(i + 100), other_id(i + 200),
            other_id(i + 100), i);
    return '[' + entries + ']';
}

void write_file(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
}

// The tables that Podman 5 makes, and the configurations of its containers.
void write_database(const std::string& path) {
    write_file(path, "");
    std::string sql =
        "BEGIN; CREATE TABLE ContainerConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, PodID TEXT, JSON "
        "TEXT NOT NULL);";
    for (const char* table :
         {"DBConfig", "IDNamespace", "ContainerState", "ContainerExecSession", "PodConfig", "PodState",
          "ContainerDependency", "ContainerVolume", "ContainerExitCode", "VolumeConfig", "VolumeState"})
        sql += fmt::format(
            "CREATE TABLE {}(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, State INTEGER NOT NULL, PodID "
            "TEXT, JSON TEXT NOT NULL, CHECK (State IN (0, 1)), FOREIGN KEY (ID) REFERENCES ContainerConfig(ID) "
            "DEFERRABLE INITIALLY DEFERRED, FOREIGN KEY (PodID) REFERENCES PodConfig(ID));",
            table);
    for (int i = 0; i <= kOthers; ++i) {
        const std::string id = i == kOthers ? kId : other_id(i);
        sql +=
            fmt::format("INSERT INTO ContainerConfig VALUES('{}','web{}',NULL,CAST('", id, i) + R"({"spec":)" +
            bundle("{}") +
            R"(,"newPortMappings":[{"host_ip":"","container_port":80,"host_port":9081,"range":1,"protocol":"tcp"}]})" +
            "' AS BLOB));";
    }
    sqlite3* database = nullptr;
    if (sqlite3_open(path.c_str(), &database) == SQLITE_OK)
        sqlite3_exec(database, (sql + "COMMIT;").c_str(), nullptr, nullptr, nullptr);
    sqlite3_close(database);
}

// Docker's notes of one of its containers, which publishes a port of its own.
void write_docker(const std::string& root, const std::string& id, int number) {
    write_file(root + "/var/lib/docker/containers/" + id + "/config.v2.json",
               R"({"ID":")" + id + R"(","Name":"/web","State":{"Running":true},"Config":{"Image":"tiny:1","Env":)" +
                   strings("SHOP_WEB_SERVICE_PORT_{}_TCP=tcp://10.96.0.1:443", 40) + R"(,"Labels":{"a":"b"}},)" +
                   R"("MountPoints":{"/data":{"Source":"/srv/data","RW":true}},"AppArmorProfile":"",)" +
                   fmt::format(R"("NetworkSettings":{{"Networks":{{"bridge":{{"IPAddress":"172.17.0.{}"}}}},"Ports":)"
                               R"({{"80/tcp":[{{"HostIp":"0.0.0.0","HostPort":"{}"}}]}}}}}})",
                               number + 2, 8080 + number));
}

// A host with every runtime, below a folder of its own.
class Host {
  public:
    Host() {
        if (mkdtemp(root_.data()) == nullptr) std::abort();
        write_file(root_ + "/etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
        const std::string alice = root_ + "/home/alice/.local/share/containers/storage/";
        const std::string system = root_ + "/var/lib/containers/storage/";
        write_docker(root_, kId, 0);
        write_file(system + "overlay-containers/containers.json", podman_list());
        write_file(alice + "overlay-containers/containers.json", podman_list());
        write_database(alice + "db.sql");
        write_database(system + "db.sql");
        write_file(root_ + "/run/containers/networks/firewall/ports/2f259bab_" + kId,
                   R"({"port_mappings":[{"container_port":80,"host_port":9081,"protocol":"tcp","range":1}]})");
        write_file(root_ + "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + kId + "/config.json",
                   bundle(kOfContainerd));
        write_file(root_ + "/run/containers/storage/overlay-containers/" + kId + "/userdata/config.json",
                   bundle(of_crio()));
        write_file(root_ + "/run/systemd/machines/web", "NAME=web\nCLASS=container\nSERVICE=systemd-nspawn\n");
        std::filesystem::create_directories(root_ + "/var/lib/lxc/web");
    }
    ~Host() { std::filesystem::remove_all(root_); }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    const std::string& root() const { return root_; }

  private:
    std::string root_ = std::filesystem::temp_directory_path() / "bindtrace-bench-XXXXXX";
};

const std::string& host() {
    static const Host host;
    return host.root();
}

void container_cold(benchmark::State& state, const std::string& path) {
    Containers containers([](const std::string&) {}, host());
    std::uint64_t id = 0;
    const ContainerFacts* found = nullptr;
    for (auto _ : state) benchmark::DoNotOptimize(found = containers.find(++id, path));
    if (found == nullptr || !found->container || !found->container->name) state.SkipWithError("not found");
}

void container_warm(benchmark::State& state, const std::string& path) {
    Containers containers([](const std::string&) {}, host());
    for (auto _ : state) benchmark::DoNotOptimize(containers.find(1, path));
}

#define BOTH(runtime, path)                           \
    BENCHMARK_CAPTURE(container_cold, runtime, path); \
    BENCHMARK_CAPTURE(container_warm, runtime, path)
BOTH(docker, "/system.slice/docker-" + kId + ".scope");
BOTH(podman, "/machine.slice/libpod-" + kId + ".scope/container");
BOTH(podman_rootless, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kId + ".scope/container");
BOTH(containerd, "/kubepods.slice/kubepods-pod" + kPodUid + ".slice/cri-containerd-" + kId + ".scope");
BOTH(crio, "/kubepods.slice/kubepods-pod" + kPodUid + ".slice/crio-" + kId + ".scope");
BOTH(lxc, "/lxc.payload.web-1");
BOTH(nspawn, "/machine.slice/systemd-nspawn@web.service/payload");

// A host with so many containers of Docker's, each of which publishes a port.
class DockerHost {
  public:
    explicit DockerHost(int count) : count_(count), root_(fmt::format("{}/docker-{}", host(), count)) {
        for (int i = 0; i < count; ++i) write_docker(root_, other_id(i), i);
    }

    // The files have not changed for a while.
    static constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::max();

    const std::string& root() const { return root_; }

    // Of the port of one of them: whoever holds it, by the arguments of docker-proxy, or dockerd itself. Another
    // process each time, and another port than the last ones.
    bool finds(PublishedPorts& ports, const std::string& program) {
        const int number = static_cast<int>(++asked_) % count_;
        Owner owner;
        program.copy(owner.task.comm, sizeof(owner.task.comm) - 1);
        owner.task.key.pid = asked_;
        owner.process =
            Process{.exe = {},
                    .cmdline = {{"docker-proxy", "-proto", "tcp", "-host-port", std::to_string(8080 + number),
                                 "-container-ip", fmt::format("172.17.0.{}", number + 2), "-container-port", "80"}},
                    .ancestry = {}};
        bt_sock sock{};
        sock.family = AF_INET;
        sock.protocol = IPPROTO_TCP;
        sock.local_port = static_cast<std::uint16_t>(8080 + number);
        const auto behind = ports.behind(owner, sock, kLater);
        return behind && behind->facts.container;
    }

  private:
    int count_;
    std::uint32_t asked_ = 0;
    std::string root_;
};

// At the start of bindtrace: all that the containers' files tell is read.
void docker_read_ahead(benchmark::State& state) {
    const DockerHost docker(static_cast<int>(state.range(0)));
    Containers containers([](const std::string&) {}, docker.root());
    for (auto _ : state) PublishedPorts(containers).read_ahead(DockerHost::kLater);
}
BENCHMARK(docker_read_ahead)->Arg(20)->Arg(100);

// The first port that is asked for since then. In processor time.
void docker_ports_first(benchmark::State& state, const std::string& program) {
    DockerHost docker(static_cast<int>(state.range(0)));
    Containers containers([](const std::string&) {}, docker.root());
    bool found = false;
    for (auto _ : state) {
        PublishedPorts ports(containers);
        ports.read_ahead(DockerHost::kLater);
        const double begun_ns = thread_ns();
        found = docker.finds(ports, program);
        state.SetIterationTime((thread_ns() - begun_ns) / 1e9);
    }
    if (!found) state.SkipWithError("not found");
}
BENCHMARK_CAPTURE(docker_ports_first, docker_proxy, "docker-proxy")->Arg(20)->Arg(100)->UseManualTime();

// Any later port that has not been asked for, of a process that has not been seen.
void docker_ports_cold(benchmark::State& state, const std::string& program) {
    DockerHost docker(static_cast<int>(state.range(0)));
    Containers containers([](const std::string&) {}, docker.root());
    PublishedPorts ports(containers);
    docker.finds(ports, program);
    bool found = false;
    for (auto _ : state) found = docker.finds(ports, program);
    if (!found) state.SkipWithError("not found");
}
BENCHMARK_CAPTURE(docker_ports_cold, docker_proxy, "docker-proxy")->Arg(20)->Arg(100);
BENCHMARK_CAPTURE(docker_ports_cold, dockerd, "dockerd")->Arg(20)->Arg(100);

// Root's are in a note of the firewall's, a user's in the database: of the first look, which has to open it, or of any
// later one, in processor time.
void podman_ports_of(benchmark::State& state, std::optional<std::uint32_t> user, bool first) {
    const StateFiles files(host(), [](const std::string&) {});
    PodmanDatabases kept;
    std::size_t found = 0;
    for (auto _ : state) {
        PodmanDatabases none;
        const double begun_ns = thread_ns();
        found = podman_ports(files, first ? none : kept, kId, user).size();
        state.SetIterationTime((thread_ns() - begun_ns) / 1e9);
    }
    if (found != 1) state.SkipWithError("not found");
}
BENCHMARK_CAPTURE(podman_ports_of, root, std::nullopt, false)->UseManualTime();
BENCHMARK_CAPTURE(podman_ports_of, user_first, kAlice, true)->UseManualTime();
BENCHMARK_CAPTURE(podman_ports_of, user_later, kAlice, false)->UseManualTime();

}  // namespace
