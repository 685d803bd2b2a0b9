// SPDX-License-Identifier: MIT
// Containers and pods, as far as a cgroup path and the runtime's own files tell of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bindtrace {

// What a cgroup path alone says of the container it belongs to. The views are parts of that path.
struct ContainerPath {
    // "docker", "podman", "containerd", "cri-o", "lxc" (which others are made with too), "systemd-nspawn"; "machine":
    // of systemd-machined's, a container or not; empty: not told.
    std::string_view runtime;
    std::string_view id;  // 64 hexadecimal digits; a name, maybe escaped, of those that have no other id
    std::optional<std::string_view> pod_uid;  // of Kubernetes; '_' where the uid has '-'
    std::optional<std::uint32_t> user;        // whose it is, where it is in a user's own manager
};

// The outermost one: of containers in containers, the one that this machine's runtime knows. Nothing for a path that
// only looks like it, such as a service called docker-<id>.service.
std::optional<ContainerPath> container_of_cgroup(std::string_view path);

// 64 hexadecimal digits, as Docker, Podman, containerd and CRI-O call their containers.
bool is_container_id(std::string_view text);

struct Container {
    std::string runtime;  // empty: not known
    std::string id;
    std::optional<std::string> name;
    std::optional<std::string> image;
    bool operator==(const Container&) const = default;
};

struct Pod {
    std::optional<std::string> name_space;
    std::optional<std::string> name;
    std::optional<std::string> uid;
    std::optional<std::string> container;  // as the pod calls it
    bool operator==(const Pod&) const = default;
};

struct ContainerFacts {
    std::optional<Container> container;
    std::optional<Pod> pod;
    bool operator==(const ContainerFacts&) const = default;
};

// Is that its container's name, its id, or at least the twelve digits of it that the runtimes print?
bool is_called(const ContainerFacts& facts, std::string_view word);

// "container web", "container nginx of pod shop/web-1"; empty where only the id is known, or nothing is.
std::string container_words(const ContainerFacts& facts);

// A port of the host that leads into a container, held by a process that is not in it.
struct Published {
    std::uint16_t host_port = 0;
    std::optional<std::uint16_t> container_port{};
    std::optional<std::string> container_address{};
    bool container_gone = false;  // the runtime knows no running container behind it
    std::string runtime{};        // "docker", "podman"
};

}  // namespace bindtrace
