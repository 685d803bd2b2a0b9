// SPDX-License-Identifier: MIT
#include "cli/registries.h"

#include <utility>

#include "cli/report.h"
#include "core/exit_codes.h"
#include "enrich/netns_names.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

std::string path_of(const std::string& netns) {
    if (netns.empty()) return "/proc/self/ns/net";
    return netns == "host" ? "/proc/1/ns/net" : "/run/netns/" + netns;
}

}  // namespace

std::optional<std::vector<PortEntry>> load_registries(const std::vector<std::string>& paths) {
    auto entries = read_registries(paths, registry_netns);
    if (entries) return std::move(*entries);
    Error error = entries.error();
    error.what.clear();
    append_text(error.what, entries.error().what);  // words of a file that somebody else wrote may be in it
    report(error, kExitUsage);
    return std::nullopt;
}

std::optional<std::uint32_t> registry_netns(const std::string& name) {
    return NetnsNames::inum_of(path_of(name));
}

PortSysctls registry_sysctls(const std::string& netns) {
    return netns.empty() ? read_port_sysctls() : read_port_sysctls_of(path_of(netns));
}

}  // namespace bindtrace
