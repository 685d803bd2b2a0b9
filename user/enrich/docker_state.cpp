// SPDX-License-Identifier: MIT
#include "enrich/docker_state.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "enrich/oci_bundle.h"

namespace bindtrace {
namespace {

using nlohmann::json;

// Docker writes some 3 to 10 KiB of each. Those of a user, who may have put anything there, are not to take long.
constexpr std::size_t kAllOfThem = std::size_t{32} << 20;

std::optional<std::string> containers_folder(const StateFiles& files, std::optional<std::uint32_t> user) {
    const auto home = user ? files.home(*user) : std::optional<std::string>("");
    if (!home) return std::nullopt;
    const auto daemon = files.json(user ? *home + "/.config/docker/daemon.json" : "/etc/docker/daemon.json");
    const std::string usual = user ? *home + "/.local/share/docker" : "/var/lib/docker";
    return string_in(daemon.value_or(json()), "data-root").value_or(usual) + "/containers";
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

// {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}; null where it is exposed and not published.
std::vector<PortMapping> ports_in(const json& network) {
    std::vector<PortMapping> ports;
    for (const auto& [key, places] : object_in(network, "Ports").items()) {
        const std::string_view inside = key;
        const std::size_t slash = inside.find('/');
        const auto container_port = port_of(inside.substr(0, slash));
        if (slash == std::string_view::npos || !container_port || !places.is_array()) continue;
        for (const json& place : places) {
            const auto host_port = string_in(place, "HostPort");
            if (const auto port = host_port ? port_of(*host_port) : std::nullopt)
                ports.push_back({.protocol = std::string(inside.substr(slash + 1)),
                                 .host_port = *port,
                                 .container_port = *container_port,
                                 .host_address = string_in(place, "HostIp").value_or("")});
        }
    }
    return ports;
}

// left: bytes that may still be read. Nothing where the word is not in the file.
std::optional<DockerContainer> read(const StateFiles& files, const std::string& folder, std::string_view id,
                                    std::size_t& left, std::string_view word = "") {
    const auto text =
        files.text(folder + "/" + std::string(id) + "/config.v2.json", std::min(left, StateFiles::kLargest));
    if (!text) return std::nullopt;
    left -= text->size();
    if (text->find(word) == std::string::npos) return std::nullopt;
    const json config = json::parse(*text, nullptr, false);
    if (string_in(config, "ID") != id) return std::nullopt;
    DockerContainer found;
    Container& container = found.facts.container.emplace();
    container.runtime = "docker";
    container.id = id;
    container.name = string_in(config, "Name");
    if (container.name && container.name->starts_with('/')) container.name->erase(0, 1);
    const json& settings = object_in(config, "Config");
    container.image = string_in(settings, "Image");
    found.facts.pod = pod_of_annotations(object_in(settings, "Labels"));  // cri-dockerd
    const json& state = object_in(config, "State");
    const auto running = state.find("Running");
    found.running = running != state.end() && running->is_boolean() && running->get<bool>();
    const json& network = object_in(config, "NetworkSettings");
    found.ports = ports_in(network);
    for (const auto& [name, attached] : object_in(network, "Networks").items()) {
        for (const char* key : {"IPAddress", "GlobalIPv6Address"})
            if (auto address = string_in(attached, key)) found.addresses.push_back(std::move(*address));
    }
    return found;
}

}  // namespace

std::optional<DockerContainer> docker_container(const StateFiles& files, std::string_view id,
                                                std::optional<std::uint32_t> user) {
    const auto folder = containers_folder(files, user);
    std::size_t left = StateFiles::kLargest;
    return folder ? read(files, *folder, id, left) : std::nullopt;
}

std::optional<std::vector<DockerContainer>> docker_containers(const StateFiles& files,
                                                              std::optional<std::uint32_t> user,
                                                              std::uint16_t host_port) {
    const auto folder = containers_folder(files, user);
    const std::string word = '"' + std::to_string(host_port) + '"';
    if (!folder || !files.can_read(*folder)) return std::nullopt;
    std::vector<DockerContainer> all;
    std::size_t left = kAllOfThem;
    for (const std::string& id : files.names(*folder)) {
        if (auto found = is_container_id(id) ? read(files, *folder, id, left, word) : std::nullopt)
            all.push_back(std::move(*found));
    }
    return all;
}

}  // namespace bindtrace
