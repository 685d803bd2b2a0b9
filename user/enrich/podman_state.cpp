// SPDX-License-Identifier: MIT
#include "enrich/podman_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "enrich/json_parts.h"

namespace bindtrace {
namespace {

using nlohmann::json;

constexpr std::size_t kPorts = 65536;  // more than one container can publish

ContainerFacts facts_of(const json& entry, std::string_view id) {
    ContainerFacts facts;
    Container& container = facts.container.emplace();
    container.runtime = "podman";
    container.id = id;
    const auto names = entry.find("names");
    if (names != entry.end() && names->is_array() && !names->empty()) container.name = name_of(names->front());
    if (const auto text = string_in(entry, "metadata")) {
        const json metadata = json::parse(*text, nullptr, false);  // JSON in a string of JSON
        container.image = string_in(metadata, "image-name");
    }
    return facts;
}

std::uint16_t port_in(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > 65535) return 0;
    return found->get<std::uint16_t>();
}

// [{"host_ip": "", "host_port": 8081, "container_port": 80, "range": 2, "protocol": "tcp"}], by netavark and by libpod
// alike.
std::vector<PortMapping> ports_in(std::string_view config, const char* key) {
    std::vector<PortMapping> ports;
    const json mappings = json::parse(json_member(config, key).value_or(""), nullptr, false);
    if (!mappings.is_array()) return ports;
    for (const json& mapping : mappings) {
        if (!mapping.is_object()) continue;
        const std::uint16_t host = port_in(mapping, "host_port"), inside = port_in(mapping, "container_port");
        const auto count = std::max<std::uint32_t>(port_in(mapping, "range"), 1);
        if (host == 0 || inside == 0) continue;
        for (std::uint32_t i = 0; i < count && host + i <= 65535 && inside + i <= 65535; ++i) {
            if (ports.size() >= kPorts) return ports;
            ports.push_back({.protocol = string_in(mapping, "protocol").value_or("tcp"),
                             .host_port = static_cast<std::uint16_t>(host + i),
                             .container_port = static_cast<std::uint16_t>(inside + i),
                             .host_address = string_in(mapping, "host_ip").value_or("")});
        }
    }
    return ports;
}

// A string of [storage] in a storage.conf, which is TOML; on one line, as everybody writes it.
std::optional<std::string> storage_setting(const StateFiles& files, const std::string& path, std::string_view key) {
    std::istringstream lines(files.text(path).value_or(""));
    std::string section;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        words >> std::ws;
        std::string name, value;
        if (words.peek() == '[') {
            std::getline(words, section, ']');
            continue;
        }
        std::getline(words, name, '=');
        name.resize(std::min(name.find_last_not_of(" \t") + 1, name.size()));
        const int quote = (words >> std::ws).get();
        if (section != "[storage" || name != key || (quote != '"' && quote != '\'')) continue;
        if (std::getline(words, value, static_cast<char>(quote)) && !words.eof() && !value.empty()) return value;
    }
    return std::nullopt;
}

std::string replaced(std::string text, std::string_view what, const std::string& by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

// Where containers-storage.conf(5) says that containers are kept.
std::optional<std::string> storage_of(const StateFiles& files, std::optional<std::uint32_t> user) {
    const auto of_system = [&](std::string_view key) {
        const std::string path = "/etc/containers/storage.conf";
        return storage_setting(files, files.text(path) ? path : "/usr/share/containers/storage.conf", key);
    };
    if (!user) return of_system("graphroot").value_or("/var/lib/containers/storage");
    const auto home = files.home(*user);
    if (!home) return std::nullopt;
    auto storage = storage_setting(files, *home + "/.config/containers/storage.conf", "graphroot");
    if (!storage) storage = of_system("rootless_storage_path");
    if (!storage) return *home + "/.local/share/containers/storage";
    return replaced(replaced(*storage, "$HOME", *home), "$UID", std::to_string(*user));
}

}  // namespace

std::optional<ContainerFacts> podman_container(const StateFiles& files, std::string_view id,
                                               std::optional<std::uint32_t> user) {
    const auto storage = storage_of(files, user);
    if (!storage) return std::nullopt;
    for (const char* driver : {"overlay", "vfs", "btrfs", "zfs"}) {
        for (const char* file : {"containers.json", "volatile-containers.json"}) {  // the latter of podman run --rm
            const auto list = files.text(fmt::format("{}/{}-containers/{}", *storage, driver, file));
            const auto entries = list ? json_parts(*list) : std::nullopt;
            if (!entries) continue;
            for (const JsonPart& part : *entries) {
                if (part.value.find(id) == std::string_view::npos) continue;
                const json entry = json::parse(part.value, nullptr, false);
                if (string_in(entry, "id") == id) return facts_of(entry, id);
            }
        }
    }
    return std::nullopt;
}

std::vector<PortMapping> podman_ports(const StateFiles& files, PodmanDatabases& databases, std::string_view id,
                                      std::optional<std::uint32_t> user) {
    if (!user) {
        constexpr const char* kFolder = "/run/containers/networks/firewall/ports";
        for (const std::string& name : files.names(kFolder)) {
            if (!name.ends_with("_" + std::string(id))) continue;  // one for each network that it is in
            const auto note = files.text(std::string(kFolder) + "/" + name);
            if (auto ports = ports_in(note.value_or(""), "port_mappings"); !ports.empty()) return ports;
        }
    }
    const auto storage = storage_of(files, user);
    const auto config = storage ? databases.config(files, *storage, id) : std::nullopt;
    return ports_in(config.value_or(""), "newPortMappings");
}

}  // namespace bindtrace
