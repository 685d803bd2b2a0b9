// SPDX-License-Identifier: MIT
#include "enrich/nat_ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>

#include "enrich/oci_bundle.h"

namespace bindtrace {
namespace {

using nlohmann::json;

// containerd writes "HostPort", CRI-O "hostPort".
std::uint16_t port_in(const json& mapping, const char* key, const char* other) {
    const auto found = mapping.contains(key) ? mapping.find(key) : mapping.find(other);
    if (found == mapping.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > 65535) return 0;
    return found->get<std::uint16_t>();
}

std::optional<PortMapping> mapping_in(const json& mapping) {
    if (!mapping.is_object()) return std::nullopt;
    auto protocol = string_in(mapping, "Protocol");
    if (!protocol) protocol = string_in(mapping, "protocol");
    PortMapping found{.protocol = protocol.value_or("tcp"),
                      .host_port = port_in(mapping, "HostPort", "hostPort"),
                      .container_port = port_in(mapping, "ContainerPort", "containerPort"),
                      .host_address = {}};
    std::ranges::transform(found.protocol, found.protocol.begin(),
                           [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    return found.host_port != 0 && found.container_port != 0 ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace

std::vector<NatPort> nat_ports(const StateFiles& files) {
    const std::string folder = "/var/lib/cni/results";
    std::vector<NatPort> ports;
    for (const std::string& name : files.names(folder)) {
        if (name.starts_with("cni-loopback-")) continue;  // is told of them too
        const auto note = files.json(fmt::format("{}/{}", folder, name));
        const auto id = note ? string_in(*note, "containerId") : std::nullopt;
        if (!id || !is_container_id(*id)) continue;
        const json& asked = object_in(*note, "capabilityArgs");
        const auto mappings = asked.find("portMappings");
        if (mappings == asked.end() || !mappings->is_array() || mappings->empty()) continue;
        const auto facts = bundle_container(files, "", *id);  // a note outlives a crash, a bundle does not
        if (!facts) continue;
        for (const json& mapping : *mappings)
            if (auto found = mapping_in(mapping)) ports.push_back({std::move(*found), *facts});
    }
    return ports;
}

}  // namespace bindtrace
