// SPDX-License-Identifier: MIT
#include "enrich/published_ports.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "enrich/netns_names.h"
#include "enrich/netns_processes.h"
#include "enrich/podman_state.h"
#include "enrich/proc_stat.h"
#include "model/publisher.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

// The word after an option.
std::optional<std::string> after(std::span<const std::string> argv, std::string_view option) {
    const auto found = std::ranges::find(argv, option);
    if (found == argv.end() || found + 1 == argv.end()) return std::nullopt;
    return *(found + 1);
}

struct Range {
    std::uint16_t first = 0, last = 0;
};

std::optional<Range> range_of(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = port_of(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : port_of(text.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    return Range{*first, *last};
}

std::span<const std::string> argv_of(const Owner& owner) {
    if (!owner.process || !owner.process->cmdline) return {};
    return *owner.process->cmdline;
}

// Whose containers it serves: a user's own, or the machine's.
std::optional<std::uint32_t> user_of(const Owner& owner) {
    const UnitPlace place = owner.cgroup_path ? place_of_cgroup(*owner.cgroup_path) : UnitPlace{};
    if (place.in_user_manager) return place.user;
    return owner.task.uid == 0 ? std::nullopt : std::optional(owner.task.uid);
}

// Is it published so, at whichever address?
bool leads_to(const PortMapping& mapping, const ProxyArguments& proxy) {
    return mapping.protocol == proxy.protocol && mapping.host_port == proxy.host_port &&
           mapping.container_port == proxy.container_port;
}

// "127.0.0.1%lo/8081-8082:80-81" as it is for one port of the host.
std::optional<PortMapping> pasta_mapping(std::string_view spec, std::string_view protocol, std::uint16_t host_port) {
    const std::size_t slash = spec.rfind('/');
    const std::string_view address =
        slash == std::string_view::npos ? "" : spec.substr(0, std::min(slash, spec.find('%')));
    if (slash != std::string_view::npos) spec.remove_prefix(slash + 1);
    const std::size_t colon = spec.find(':');
    const auto outside = range_of(spec.substr(0, colon));
    const auto inside = colon == std::string_view::npos ? outside : range_of(spec.substr(colon + 1));
    if (!outside || !inside || host_port < outside->first || host_port > outside->last) return std::nullopt;
    const int target = inside->first + host_port - outside->first;
    if (target > inside->last) return std::nullopt;
    return PortMapping{.protocol = std::string(protocol),
                       .host_port = host_port,
                       .container_port = static_cast<std::uint16_t>(target),
                       .host_address = std::string(address)};
}

}  // namespace

std::optional<ProxyArguments> docker_proxy_arguments(std::span<const std::string> argv) {
    const auto host = after(argv, "-host-port"), inside = after(argv, "-container-port");
    const auto address = after(argv, "-container-ip");
    const auto host_port = host ? port_of(*host) : std::nullopt,
               container_port = inside ? port_of(*inside) : std::nullopt;
    if (!host_port || !container_port || !address) return std::nullopt;
    return ProxyArguments{.protocol = after(argv, "-proto").value_or("tcp"),
                          .container_address = *address,
                          .host_port = *host_port,
                          .container_port = *container_port};
}

std::optional<std::string> conmon_container(std::span<const std::string> argv) {
    for (const char* option : {"-c", "--cid"}) {
        auto id = after(argv, option);
        if (id && is_container_id(*id)) return id;
    }
    return std::nullopt;
}

std::optional<std::string> slirp4netns_container(std::span<const std::string> argv) {
    constexpr std::string_view kSuffix = ".net";
    const auto socket = after(argv, "--api-socket");
    if (!socket || !socket->ends_with(kSuffix)) return std::nullopt;
    std::string id = socket->substr(socket->rfind('/') + 1);
    id.resize(id.size() - kSuffix.size());
    return is_container_id(id) ? std::optional(std::move(id)) : std::nullopt;
}

std::optional<std::uint16_t> pasta_target(std::span<const std::string> argv, const bt_sock& sock) {
    const std::string_view option = sock.protocol == IPPROTO_UDP ? "-u" : "-t";
    std::vector<PortMapping> mappings;
    for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
        if (argv[i] != option) continue;
        if (auto mapping = pasta_mapping(argv[i + 1], protocol_of(sock), sock.local_port))
            mappings.push_back(std::move(*mapping));
    }
    return match_of(mappings, sock).container_port;
}

const std::optional<std::vector<DockerContainer>>& PublishedPorts::docker(const Owner& owner, std::uint16_t host_port,
                                                                          std::int64_t now_ns) {
    const auto user = user_of(owner);
    const std::uint64_t key = std::uint64_t{user.value_or(0)} << 16 | host_port;
    DockerLook* look = docker_.find(key);
    const auto now = std::chrono::steady_clock::now();
    if (look == nullptr || now >= look->until)
        look = &docker_.insert(key, {.containers = docker_containers_.with_port(user, host_port, now_ns),
                                     .until = now + std::chrono::seconds(1)});
    return look->containers;
}

std::optional<PublishedPorts::Behind> PublishedPorts::docker_proxy(const Owner& owner, const bt_sock& sock,
                                                                   std::int64_t now_ns) {
    const auto arguments = docker_proxy_arguments(argv_of(owner));
    if (!arguments || arguments->host_port != sock.local_port) return std::nullopt;
    const auto& known = docker(owner, sock.local_port, now_ns);
    if (!known) return std::nullopt;
    Behind behind{.published = {.host_port = arguments->host_port,
                                .container_port = arguments->container_port,
                                .container_address = arguments->container_address,
                                .runtime = "docker"},
                  .facts = {}};
    for (const DockerContainer& container : *known) {
        if (!container.running ||
            std::ranges::find(container.addresses, arguments->container_address) == container.addresses.end() ||
            std::ranges::none_of(container.ports, [&](const auto& port) { return leads_to(port, *arguments); }))
            continue;
        behind.facts = container.facts;
        return behind;
    }
    // The proxy runs a moment before its container is written down.
    if (!owner.start_time_ns || now_ns - *owner.start_time_ns < kStartsNs) return std::nullopt;
    behind.published.container_gone = true;
    return behind;
}

std::optional<PublishedPorts::Behind> PublishedPorts::dockerd(const Owner& owner, const bt_sock& sock,
                                                              std::int64_t now_ns) {
    const auto& known = docker(owner, sock.local_port, now_ns);
    if (!known) return std::nullopt;
    MappingMatch best;
    const DockerContainer* behind = nullptr;  // none where two fit as well: which of them it is, is not known
    for (const DockerContainer& container : *known) {
        const MappingMatch found = container.running ? match_of(container.ports, sock) : MappingMatch{};
        if (found.fit == Fit::none || found.fit < best.fit) continue;
        behind = found.fit > best.fit ? &container : nullptr;
        best = found;
    }
    if (behind == nullptr) return std::nullopt;
    return Behind{
        .published = {.host_port = sock.local_port, .container_port = best.container_port, .runtime = "docker"},
        .facts = behind->facts};
}

bool PublishedPorts::is_daemons_own(const Owner& owner, const bt_sock& sock, std::optional<std::int64_t> since_ns,
                                    std::int64_t now_ns) {
    if (program_of(owner) != "dockerd" || (since_ns && now_ns - *since_ns < kStartsNs)) return false;
    const auto& known = docker(owner, sock.local_port, now_ns);
    return known && std::ranges::none_of(*known, [&](const DockerContainer& container) {
               return match_of(container.ports, sock).fit != Fit::none;
           });
}

// CRI-O's conmon holds no ports.
std::optional<PublishedPorts::Behind> PublishedPorts::podman(const std::optional<std::string>& id, const Owner& owner,
                                                             const bt_sock& sock) {
    if (!id) return std::nullopt;
    auto facts = podman_container(containers_.files(), *id, user_of(owner));
    if (!facts) return std::nullopt;
    return Behind{.published = {.host_port = sock.local_port,
                                .container_port = podman_target(*id, owner, sock),
                                .runtime = "podman"},
                  .facts = std::move(*facts)};
}

std::optional<std::uint16_t> PublishedPorts::podman_target(const std::string& id, const Owner& owner,
                                                           const bt_sock& sock) {
    return match_of(podman_ports(containers_.files(), podman_databases_, id, user_of(owner)), sock).container_port;
}

std::optional<PublishedPorts::Behind> PublishedPorts::by_netns(const Owner& owner, const bt_sock& sock) {
    const std::vector<std::uint32_t> served = open_netns(proc_, owner.task.key.pid);
    if (served.empty()) return std::nullopt;
    for (const NetnsProcess& process : netns_processes(proc_, sock.netns)) {
        if (std::ranges::find(served, process.netns) == served.end()) continue;
        const auto cgroup = read_proc_cgroup(proc_, process.pid);
        auto facts = cgroup ? containers_.look_up(*cgroup) : std::nullopt;
        if (!facts || !facts->container) continue;
        Behind behind{.published = {.host_port = sock.local_port, .runtime = facts->container->runtime},
                      .facts = std::move(*facts)};
        behind.published.container_port = pasta_target(argv_of(owner), sock);
        if (!behind.published.container_port && behind.published.runtime == "podman")
            behind.published.container_port = podman_target(behind.facts.container->id, owner, sock);
        return behind;
    }
    return std::nullopt;
}

std::optional<PublishedPorts::Behind> PublishedPorts::look(const std::string& program, const Owner& owner,
                                                           const bt_sock& sock, std::int64_t now_ns) {
    if (program == "docker-proxy") return docker_proxy(owner, sock, now_ns);
    if (program == "dockerd" || program == "rootlesskit") return dockerd(owner, sock, now_ns);
    if (program == "conmon") return podman(conmon_container(argv_of(owner)), owner, sock);
    if (program == "slirp4netns") return podman(slirp4netns_container(argv_of(owner)), owner, sock);
    return by_netns(owner, sock);
}

std::optional<PublishedPorts::Behind> PublishedPorts::behind(const Owner& owner, const bt_sock& sock,
                                                             std::int64_t now_ns) {
    if (sock.local_port == 0 || sock.remote_port != 0) return std::nullopt;
    const std::string program = program_of(owner);
    if (!holds_for_containers(program)) return std::nullopt;
    const bt_process_key& process = owner.task.key;
    const SocketKey key{.pid = process.pid,
                        .protocol = sock.protocol,
                        .port = sock.local_port,
                        .family = sock.family,
                        .address = std::to_array(sock.local_addr)};
    const auto now = std::chrono::steady_clock::now();
    const Seen* seen = seen_.find(key);
    if (seen == nullptr || now >= seen->until || !is_same_process(seen->process, process) ||
        seen->process.exec_id != process.exec_id)
        seen = &seen_.insert(
            key,
            {.process = process, .until = now + std::chrono::seconds(1), .behind = look(program, owner, sock, now_ns)});
    return seen->behind;
}

}  // namespace bindtrace
