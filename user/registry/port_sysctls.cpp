// SPDX-License-Identifier: MIT
#include "registry/port_sysctls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <thread>

#include "core/unique_fd.h"
#include "registry/small_file.h"

namespace bindtrace {
namespace {

// Takes a number off the front.
std::optional<std::uint32_t> take_number(std::string_view& text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

std::optional<std::string> read_line(const std::string& path) {
    auto content = read_small_file(path);
    if (!content) return std::nullopt;
    content->resize(std::min(content->find('\n'), content->size()));
    return *content;
}

}  // namespace

std::optional<PortSet> parse_port_set(std::string_view text) {
    PortSet ports;
    while (!text.empty()) {
        const auto first = take_number(text);
        auto last = first;
        if (text.starts_with('-')) {
            text.remove_prefix(1);
            last = take_number(text);
        }
        if (!first || !last || *last >= ports.size() || *first > *last) return std::nullopt;
        for (std::uint32_t port = *first; port <= *last; ++port) ports.set(port);
        if (text.empty()) break;
        if (!text.starts_with(',') || text.size() == 1) return std::nullopt;
        text.remove_prefix(1);
    }
    return ports;
}

std::string port_set_text(const PortSet& ports) {
    std::string text;
    for (std::size_t first = 0; first < ports.size(); ++first) {
        if (!ports[first]) continue;
        std::size_t last = first;
        while (last + 1 < ports.size() && ports[last + 1]) ++last;
        if (!text.empty()) text += ',';
        text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
        first = last;
    }
    return text;
}

PortSet exposed_ports(const PortEntry& entry, const PortSysctls& sysctls) {
    PortSet ports;
    if (!sysctls.ephemeral || !sysctls.reserved) return ports;
    const auto [first, last] = *sysctls.ephemeral;
    for (std::uint32_t port = std::max(entry.first_port, first); port <= std::min(entry.last_port, last); ++port)
        ports.set(port);
    return ports & ~*sysctls.reserved;
}

PortSysctls read_port_sysctls(const std::string& folder) {
    PortSysctls sysctls;
    if (const auto line = read_line(folder + "/ip_local_port_range")) {
        std::string_view text = *line;
        const auto first = take_number(text);
        text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
        const auto last = take_number(text);
        if (first && last && *first <= *last && *last <= 65535)
            sysctls.ephemeral = {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
    }
    if (const auto line = read_line(folder + "/ip_local_reserved_ports")) sysctls.reserved = parse_port_set(*line);
    if (const auto line = read_line(folder + "/ip_unprivileged_port_start")) {
        std::string_view text = *line;
        sysctls.unprivileged_start = take_number(text);
    }
    return sysctls;
}

// A thread of its own enters the namespace, and ends with it.
PortSysctls read_port_sysctls_of(const std::string& netns_path) {
    PortSysctls sysctls;
    std::thread([&] {
        const UniqueFd netns(open(netns_path.c_str(), O_RDONLY | O_CLOEXEC));
        if (netns.valid() && setns(netns.get(), CLONE_NEWNET) == 0) sysctls = read_port_sysctls();
    }).join();
    return sysctls;
}

}  // namespace bindtrace
