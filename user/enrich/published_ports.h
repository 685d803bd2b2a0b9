// SPDX-License-Identifier: MIT
// Who holds a published port is no part of the container that published it, and each runtime has its own way:
//
//     docker        docker-proxy, its arguments say where it leads; dockerd itself where that is switched off;
//                   rootlesskit for a user's own
//     podman, root  conmon, whose arguments have the container's id
//     rootless      pasta and rootlessport, which keep the container's network namespace open; slirp4netns, whose
//                   arguments have the container's id
//
// So a name of a program alone is never believed: the container that it leads to must be there.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "enrich/containers.h"
#include "enrich/docker_state.h"
#include "enrich/podman_database.h"
#include "model/conflict.h"

namespace bindtrace {

// Of docker-proxy.
struct ProxyArguments {
    std::string protocol;
    std::string container_address;
    std::uint16_t host_port = 0;
    std::uint16_t container_port = 0;
};
std::optional<ProxyArguments> docker_proxy_arguments(std::span<const std::string> argv);

// The container's id that conmon watches.
std::optional<std::string> conmon_container(std::span<const std::string> argv);

// The container's id that slirp4netns has in the name of its socket, where it forwards ports itself.
std::optional<std::string> slirp4netns_container(std::span<const std::string> argv);

// Where pasta leads a socket of the host: -t 127.0.0.1/8081-8082:80-81 (-u for UDP).
std::optional<std::uint16_t> pasta_target(std::span<const std::string> argv, const bt_sock& sock);

class PublishedPorts {
  public:
    explicit PublishedPorts(Containers& containers, std::string proc = "/proc")
        : containers_(containers), docker_containers_(containers.files()), proc_(std::move(proc)) {}

    // What there is to be read before the first question.
    void read_ahead(std::int64_t now_ns) { docker_containers_.read_ahead(now_ns); }

    struct Behind {
        Published published;
        ContainerFacts facts;
    };

    // What stands behind a port of that socket that this process holds, as of a second ago at most: it takes
    // milliseconds to find out, and a storm of refusals asks again and again. now_ns: UTC, since the epoch.
    std::optional<Behind> behind(const Owner& owner, const bt_sock& sock, std::int64_t now_ns);

    // Is a port that the Docker daemon has its own, for its API or for a swarm? By what it has written down of its
    // containers; false also where that is not to be had, or may not be written yet. since_ns: of the claim, UTC.
    bool is_daemons_own(const Owner& owner, const bt_sock& sock, std::optional<std::int64_t> since_ns,
                        std::int64_t now_ns);

  private:
    // Of a socket, as far as a runtime knows it.
    struct SocketKey {
        std::uint32_t pid = 0;
        std::uint16_t protocol = 0, port = 0, family = 0;
        std::array<std::uint8_t, 16> address{};
        bool operator==(const SocketKey&) const = default;
    };
    struct HashSocketKey {
        std::size_t operator()(const SocketKey& key) const {
            return std::uint64_t{key.pid} << 32 | std::uint64_t{key.protocol} << 16 | key.port;
        }
    };
    struct Seen {
        bt_process_key process{};
        std::chrono::steady_clock::time_point until;
        std::optional<Behind> behind;
    };
    static constexpr std::size_t kSeen = 256;
    struct DockerLook {
        std::optional<std::vector<DockerContainer>> containers;
        std::chrono::steady_clock::time_point until;
    };
    static constexpr std::size_t kDockerLooks = 16;

    std::optional<Behind> look(const std::string& program, const Owner& owner, const bt_sock& sock,
                               std::int64_t now_ns);

    static constexpr std::int64_t kStartsNs = 30'000'000'000;  // that a container may take to be written down

    std::optional<Behind> docker_proxy(const Owner& owner, const bt_sock& sock, std::int64_t now_ns);
    std::optional<Behind> dockerd(const Owner& owner, const bt_sock& sock, std::int64_t now_ns);
    std::optional<Behind> podman(const std::optional<std::string>& id, const Owner& owner, const bt_sock& sock);
    std::optional<std::uint16_t> podman_target(const std::string& id, const Owner& owner, const bt_sock& sock);
    std::optional<Behind> by_netns(const Owner& owner, const bt_sock& sock);

    // Those of the Docker that this process belongs to that may have published the port; at most a second old.
    const std::optional<std::vector<DockerContainer>>& docker(const Owner& owner, std::uint16_t host_port,
                                                              std::int64_t now_ns);

    Containers& containers_;
    DockerContainers docker_containers_;
    PodmanDatabases podman_databases_;
    std::string proc_;
    BoundedCache<std::uint64_t, DockerLook> docker_{kDockerLooks};  // by user and port
    BoundedCache<SocketKey, Seen, HashSocketKey> seen_{kSeen};
};

}  // namespace bindtrace
