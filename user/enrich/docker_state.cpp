// SPDX-License-Identifier: MIT
#include "enrich/docker_state.h"

#include <algorithm>
#include <bitset>
#include <charconv>
#include <nlohmann/json.hpp>

#include "enrich/oci_bundle.h"

namespace bindtrace {
namespace {

using nlohmann::json;

// Docker writes some 3 to 10 KiB of each. Those of a user, who may have put anything there, are not to take long.
constexpr std::size_t kAllOfThem = std::size_t{32} << 20;

constexpr const char* kConfig = "/config.v2.json";

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

std::optional<DockerContainer> parse(std::string_view text, std::string_view id) {
    const json config = json::parse(text, nullptr, false);
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
    const auto text = folder ? files.text(*folder + "/" + std::string(id) + kConfig) : std::nullopt;
    return text ? parse(*text, id) : std::nullopt;
}

DockerContainers::Numbers DockerContainers::numbers_in(std::string_view text) {
    constexpr std::size_t kDigits = 5;
    Numbers numbers;
    std::bitset<65'536> seen;  // whoever writes such a file may repeat one a million times
    for (std::size_t begin = text.find('"') + 1; begin != 0;) {
        const std::size_t end = text.find('"', begin);
        const auto port = end - begin <= kDigits ? port_of(text.substr(begin, end - begin)) : std::nullopt;
        if (port && !seen[*port]) numbers.push_back(*port);
        if (port) seen[*port] = true;
        begin = end + 1;
    }
    std::ranges::sort(numbers);
    return {numbers.begin(), numbers.end()};  // as large as it need be
}

// A container that comes or goes changes the folder.
DockerContainers::Names DockerContainers::names(const StateFolder& folder, std::int64_t now_ns) {
    const auto stamp = files_.stamp(folder, ".");
    const Names* noted = stamp ? names_.find(*stamp) : nullptr;
    if (noted != nullptr) return *noted;
    auto found = StateFiles::names(folder);
    if (!found) return nullptr;
    std::erase_if(*found, [](const std::string& name) { return !is_container_id(name); });
    for (std::string& name : *found) name += kConfig;
    auto names = std::make_shared<const std::vector<std::string>>(std::move(*found));
    if (stamp && names->size() <= kFiles) names_.keep(*stamp, now_ns, names);
    return names;
}

void DockerContainers::read_ahead(std::int64_t now_ns) {
    const auto path = containers_folder(files_.without_warnings(), std::nullopt);
    if (path && files_.can_read(*path)) with_port(std::nullopt, 0, now_ns);  // which nobody has
}

std::optional<std::vector<DockerContainer>> DockerContainers::with_port(std::optional<std::uint32_t> user,
                                                                        std::uint16_t host_port, std::int64_t now_ns) {
    const auto path = containers_folder(files_, user);
    const auto folder = path ? files_.folder(*path) : std::nullopt;
    const Names all = folder ? names(*folder, now_ns) : nullptr;
    if (!all) return std::nullopt;
    std::vector<DockerContainer> found;
    std::size_t left = kAllOfThem;
    const bool is_first = numbers_.size() == 0;
    for (const std::string& name : *all) {
        const auto stamp = is_first ? std::nullopt : files_.stamp(*folder, name);
        const Numbers* noted = stamp ? numbers_.find(*stamp) : nullptr;
        if (noted != nullptr && !std::ranges::binary_search(*noted, host_port)) continue;
        const auto file = files_.read(*folder, name, std::min(left, StateFiles::kLargest));
        if (!file) continue;
        left -= file->text.size();
        Numbers numbers = numbers_in(file->text);
        const bool may_have_it = std::ranges::binary_search(numbers, host_port);
        if (numbers.size() <= kNumbers) numbers_.keep(file->stamp, now_ns, std::move(numbers));
        if (auto container = may_have_it ? parse(file->text, name.substr(0, name.find('/'))) : std::nullopt)
            found.push_back(std::move(*container));
    }
    return found;
}

}  // namespace bindtrace
