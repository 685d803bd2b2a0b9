// SPDX-License-Identifier: MIT
#include "filter/filter.h"

#include <charconv>
#include <cstring>
#include <tuple>

#include "model/names.h"

namespace bindtrace {
namespace {

// Calls `take` with each part between commas; false from it ends the walk.
template <typename Take>
bool for_each_part(std::string_view text, Take take) {
    while (true) {
        const std::size_t comma = text.find(',');
        if (!take(text.substr(0, comma))) return false;
        if (comma == std::string_view::npos) return true;
        text.remove_prefix(comma + 1);
    }
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(port);
}

Result<std::pair<std::uint16_t, std::uint16_t>> parse_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto first = parse_port(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
    if (!first || !last) return Error{"'" + std::string(text) + "' is not a port or a range of ports (1-65535)"};
    if (*first > *last) return Error{"'" + std::string(text) + "' is a range that ends before it begins"};
    return std::pair(*first, *last);
}

bool is_below(std::string_view path, std::string_view cgroup) {
    return path.starts_with(cgroup) && (path.size() == cgroup.size() || path[cgroup.size()] == '/');
}

}  // namespace

Result<std::vector<std::pair<std::uint16_t, std::uint16_t>>> parse_ports(std::string_view text) {
    std::vector<std::pair<std::uint16_t, std::uint16_t>> ranges;
    std::string bad;
    const bool good = for_each_part(text, [&](std::string_view part) {
        const auto range = parse_range(part);
        if (range)
            ranges.push_back(*range);
        else
            bad = range.error().what;
        return bool(range);
    });
    if (!good) return Error{"--port: " + bad, 0, "for example --port 8080,9000-9100"};
    return ranges;
}

Result<Question> parse_question(const std::string& text) {
    const std::size_t slash = text.find('/');
    Question question{.protocol = slash == std::string::npos ? "" : text.substr(slash + 1), .text = text};
    const auto range = parse_range(std::string_view(text).substr(0, slash));
    if (!range) return Error{range.error().what, 0, "for example bindtrace who 8080 53/udp 9000-9100"};
    if (slash != std::string::npos && !protocol_bit(question.protocol))
        return Error{"'" + text + "': the protocol is one of tcp, udp, udplite, mptcp, sctp, icmp"};
    std::tie(question.first_port, question.last_port) = *range;
    return question;
}

Result<std::uint32_t> parse_protocols(std::string_view text) {
    std::uint32_t bits = 0;
    std::string bad;
    const bool good = for_each_part(text, [&](std::string_view part) {
        const auto bit = protocol_bit(part);
        if (bit)
            bits |= *bit;
        else
            bad = part;
        return bit.has_value();
    });
    if (!good) return Error{"--proto: '" + bad + "' is not one of tcp, udp, udplite, mptcp, sctp, icmp, raw"};
    return bits;
}

Result<std::uint32_t> parse_kinds(std::string_view text) {
    std::uint32_t bits = 0;
    std::string bad;
    const bool good = for_each_part(text, [&](std::string_view part) {
        const auto kind = kind_from_name(part);
        if (kind)
            bits |= 1u << *kind;
        else
            bad = part;
        return kind.has_value();
    });
    if (!good) return Error{"--events: '" + bad + "' is not one of bind, listen, autobind, state, release"};
    return bits;
}

void set_ports(__u64 (&bits)[BT_PORT_WORDS], std::uint16_t first, std::uint16_t last) {
    for (unsigned port = first; port <= last; ++port) bits[port / 64] |= 1ull << (port % 64);
}

bt_config Filter::kernel_config() const {
    bt_config config{};
    config.kinds = kinds;
    config.protocols = protocols;
    config.pid = pid.value_or(0);
    config.netns = netns.value_or(0);
    config.uid = uid.value_or(0);
    config.has_uid = uid.has_value();
    config.has_cgroup = parent_cgroup.has_value();
    config.has_container = container.has_value();
    config.has_ports = !ports.empty();
    config.failed_only = failed_only;
    config.no_ephemeral = no_ephemeral;
    for (const auto& [first, last] : ports) set_ports(config.port_bits, first, last);
    return config;
}

bool Filter::is_elsewhere(const Context& context) const {
    if (!container || !context.cgroup_path) return false;
    if (context.container == nullptr) return true;
    return context.container->container && context.container->container->name &&
           !is_called(*context.container, *container);
}

bool Filter::matches(const Event& event, const Context& context) const {
    if (cgroup && context.cgroup_path && !is_below(*context.cgroup_path, *cgroup) &&
        !(counts_sockets && context.socket_cgroup_path && is_below(*context.socket_cgroup_path, *cgroup)))
        return false;
    if (unit && context.place.unit != *unit && context.socket_unit != *unit) return false;
    if (container && (context.container == nullptr || !is_called(*context.container, *container))) return false;
    if (netns_name && context.netns_name != *netns_name) return false;
    if (comm) {
        const std::string_view actual(event.task.comm, strnlen(event.task.comm, sizeof(event.task.comm)));
        if (!(event.flags & BT_EVENT_HAS_TASK) || actual != *comm) return false;
    }
    if (address) {
        const bool requested = event.flags & BT_EVENT_HAS_REQUEST && address->matches(event.addr_family, event.addr);
        const bool held = event.flags & BT_EVENT_HAS_SOCK && event.sock.local_port != 0 &&
                          address->matches(event.sock.family, event.sock.local_addr);
        const bool remote = event.flags & BT_EVENT_HAS_SOCK && event.sock.remote_port != 0 &&
                            address->matches(event.sock.family, event.sock.remote_addr);
        if (!requested && !held && !remote) return false;
    }
    return true;
}

}  // namespace bindtrace
