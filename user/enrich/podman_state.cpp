// SPDX-License-Identifier: MIT
#include "enrich/podman_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace bindtrace {
namespace {

using nlohmann::json;

ContainerFacts facts_of(const json& entry, std::string_view id) {
    ContainerFacts facts;
    Container& container = facts.container.emplace();
    container.runtime = "podman";
    container.id = id;
    const auto names = entry.find("names");
    if (names != entry.end() && names->is_array() && !names->empty() && names->front().is_string())
        container.name = names->front().get<std::string>();
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

}  // namespace

std::optional<ContainerFacts> podman_container(const StateFiles& files, std::string_view id,
                                               std::optional<std::uint32_t> user) {
    std::string storage = "/var/lib/containers/storage";
    if (user) {
        const auto home = files.home(*user);
        if (!home) return std::nullopt;
        storage = *home + "/.local/share/containers/storage";
    }
    for (const std::string& folder : files.names(storage)) {
        if (!folder.ends_with("-containers")) continue;  // of a storage driver: "overlay-containers"
        for (const char* file : {"containers.json", "volatile-containers.json"}) {  // the latter of podman run --rm
            const auto list = files.json(fmt::format("{}/{}/{}", storage, folder, file));
            if (!list || !list->is_array()) continue;
            for (const json& entry : *list)
                if (string_in(entry, "id") == id) return facts_of(entry, id);
        }
    }
    return std::nullopt;
}

std::vector<PortMapping> podman_ports(const StateFiles& files, std::string_view id) {
    constexpr const char* kFolder = "/run/containers/networks/firewall/ports";
    std::vector<PortMapping> ports;
    for (const std::string& name : files.names(kFolder)) {
        if (!name.ends_with("_" + std::string(id))) continue;  // one for each network that it is in
        const auto note = files.json(std::string(kFolder) + "/" + name);
        if (!note || !note->is_object()) continue;
        const auto mappings = note->find("port_mappings");
        if (mappings == note->end() || !mappings->is_array()) continue;
        for (const json& mapping : *mappings) {
            if (!mapping.is_object()) continue;
            const std::uint16_t host = port_in(mapping, "host_port"), inside = port_in(mapping, "container_port");
            const auto count = std::max<std::uint32_t>(port_in(mapping, "range"), 1);
            if (host == 0 || inside == 0) continue;
            for (std::uint32_t i = 0; i < count && host + i <= 65535 && inside + i <= 65535; ++i)
                ports.push_back({string_in(mapping, "protocol").value_or("tcp"), static_cast<std::uint16_t>(host + i),
                                 static_cast<std::uint16_t>(inside + i)});
        }
        if (!ports.empty()) break;
    }
    return ports;
}

}  // namespace bindtrace
