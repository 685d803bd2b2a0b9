// SPDX-License-Identifier: MIT
#include "cli/filter_options.h"

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "enrich/netns_names.h"
#include "enrich/users.h"

namespace bindtrace {
namespace {

std::optional<std::uint32_t> parse_number(const std::string& text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// Relative to the root of the hierarchy.
Result<std::string> find_cgroup(const std::string& path, const std::string& mount) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    std::string relative = path == mount || path.starts_with(mount + "/") ? path.substr(mount.size()) : path;
    if (std::ranges::count(fs::path(path), "..") != 0) return Error{"--cgroup: '..' is not allowed in '" + path + "'"};
    relative = ("/" / fs::path(relative).relative_path()).lexically_normal().string();
    while (relative.size() > 1 && relative.ends_with('/')) relative.pop_back();
    if (fs::is_directory(mount + relative, ignored)) return relative;
    return Error{"--cgroup: there is no cgroup '" + path + "' under " + mount, 0,
                 "systemd-cgls lists those that exist"};
}

// All cgroups of that name. Those that vanish while we look are passed over.
void collect_cgroups(const std::string& mount, const std::string& folder, const std::string& name,
                     std::vector<std::string>& found) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::directory_iterator entry(mount + folder, error), end;
    for (; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (!entry->is_directory(ignored) || entry->is_symlink(ignored)) continue;
        const std::string child = (folder == "/" ? "" : folder) + "/" + entry->path().filename().string();
        if (entry->path().filename() == name) found.push_back(child);
        collect_cgroups(mount, child, name, found);
    }
}

// Nothing where no such unit runs. The host's own where containers and users have one of that name too.
Result<std::optional<std::string>> find_unit(const std::string& name, const std::string& mount) {
    std::vector<std::string> found, own;
    collect_cgroups(mount, "/", name, found);
    std::ranges::copy_if(found, std::back_inserter(own), [](const std::string& path) {
        return !path.starts_with("/machine.slice/") && !path.starts_with("/lxc") && !path.starts_with("/user.slice/");
    });
    if (own.empty()) own = found;
    if (own.empty()) return std::optional<std::string>();
    if (own.size() == 1) return std::optional(own.front());
    std::string all;
    for (const std::string& path : own) all += " " + path;
    return Error{"--unit: several units are called '" + name + "':" + all, 0, "choose one with --cgroup"};
}

// Nothing where it is not known by that name here: it may be a container's, or come later.
std::optional<std::uint32_t> find_netns(const std::string& word) {
    if (const auto number = parse_number(word); number && *number != 0) return *number;
    std::string path = "/run/netns/" + word;
    if (word == "self") path = "/proc/self/ns/net";
    if (word == "host") path = "/proc/1/ns/net";
    return NetnsNames::inum_of(path);
}

// What a number means here, where it may not mean what was meant.
void warn_of_numbers(const Filter& filter) {
    constexpr std::uint32_t kHostPids = 0xeffffffc;  // PROC_PID_INIT_INO
    const auto own_pids = NetnsNames::inum_of("/proc/self/ns/pid");
    if (filter.pid && own_pids && *own_pids != kHostPids)
        spdlog::warn("--pid: {} is taken for a number of the host's, not of the PID namespace that bindtrace runs in",
                     *filter.pid);
    NetnsNames names(0, [](const NetnsProcesses& found) { return std::optional(found.front().comm); });
    if (filter.netns && !names.name(*filter.netns))
        spdlog::warn("--netns: no process to be seen is in a network namespace {}, and `ip netns` has no name for it",
                     *filter.netns);
}

// As systemctl takes it: "app@1.2" is a service.
std::string unit_name(const std::string& word) {
    constexpr std::string_view kTypes[] = {"service", "socket", "target", "device", "mount", "automount",
                                           "swap",    "timer",  "path",   "slice",  "scope"};
    const std::size_t dot = word.rfind('.');
    const bool has_type =
        dot != std::string::npos && std::ranges::count(kTypes, std::string_view(word).substr(dot + 1));
    return has_type ? word : word + ".service";
}

// Below that directory from now on: a unit's own is made anew each time the unit starts, and what it does first would
// be lost until the kernel were told of the new one. So the kernel is told of the one above; not of the root, which
// holds everything, and not of v1, where it cannot be told.
void set_cgroup(Filter& filter, const std::string& path, const CgroupTree& tree) {
    if (path != "/") filter.cgroup = path;  // or else everything
    const std::string parent = path.substr(0, path.rfind('/'));
    if (!parent.empty() && tree.hierarchy == 0) filter.parent_cgroup = tree.mount + parent;
}

// What means the same everywhere.
Result<Filter> resolve_words(const FilterWords& words) {
    Filter filter;
    if (!words.ports.empty()) {
        auto ports = parse_ports(words.ports);
        if (!ports) return ports.error();
        filter.ports = *ports;
    }
    if (!words.protocols.empty()) {
        const auto protocols = parse_protocols(words.protocols);
        if (!protocols) return protocols.error();
        filter.protocols = *protocols;
    }
    if (!words.events.empty()) {
        const auto kinds = parse_kinds(words.events);
        if (!kinds) return kinds.error();
        filter.kinds = *kinds;
    }
    if (!words.address.empty()) {
        filter.address = Cidr::parse(words.address);
        if (!filter.address)
            return Error{"--addr: '" + words.address + "' is not an address or a network such as 10.0.0.0/8"};
    }
    if (!words.unit.empty() && !words.cgroup.empty()) return Error{"--unit and --cgroup exclude each other"};
    filter.pid = words.pid;
    if (!words.comm.empty()) filter.comm = words.comm;
    if (!words.container.empty()) filter.container = words.container;
    filter.failed_only = words.failed;
    filter.no_ephemeral = words.no_ephemeral;
    return filter;
}

}  // namespace

void add_filter_options(CLI::App& app, FilterWords& words) {
    const std::string group = "Filters";
    app.add_option("--port", words.ports,
                   "Ports and ranges: 8080,9000-9100. Matches the port asked for and the one held")
        ->type_name("LIST")
        ->group(group);
    app.add_option("--proto", words.protocols, "tcp, udp, udplite, mptcp, sctp, icmp, raw")
        ->type_name("LIST")
        ->group(group);
    app.add_option("--addr", words.address, "Address asked for, held or connected to")->type_name("CIDR")->group(group);
    app.add_option("--pid", words.pid, "Process id")->type_name("N")->check(CLI::Range(1u, 4194304u))->group(group);
    app.add_option("--comm", words.comm, "Name of the thread, as ps -L shows it")->type_name("NAME")->group(group);
    app.add_option("--uid", words.uid, "User")->type_name("N|NAME")->group(group);
    app.add_option("--unit", words.unit, "systemd unit, by its cgroup")->type_name("NAME")->group(group);
    app.add_option("--container", words.container, "Container, by its id (12 digits of it or more) or its name")
        ->type_name("ID|NAME")
        ->group(group);
    app.add_option("--cgroup", words.cgroup,
                   "cgroup, with its descendants: /system.slice or /sys/fs/cgroup/system.slice")
        ->type_name("PATH")
        ->group(group);
    app.add_option("--netns", words.netns,
                   "Network namespace: inode number, host, self, or its name (of `ip netns`, a container, a unit)")
        ->type_name("INUM|NAME|self")
        ->group(group);
    app.add_flag("--failed", words.failed, "Only what was refused")->group(group);
    app.add_option("--events", words.events, "bind, listen, autobind, state, release (default: all but state)")
        ->type_name("LIST")
        ->group(group);
    app.add_flag("--no-ephemeral", words.no_ephemeral, "Hide ports that the kernel chose")->group(group);
}

std::vector<std::string> filter_text(const FilterWords& words) {
    std::vector<std::string> text;
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) text.push_back(std::string(name) + " " + value);
    };
    add("--port", words.ports);
    add("--proto", words.protocols);
    add("--addr", words.address);
    if (words.pid) add("--pid", std::to_string(*words.pid));
    add("--comm", words.comm);
    add("--uid", words.uid);
    add("--unit", words.unit);
    add("--container", words.container);
    add("--cgroup", words.cgroup);
    add("--netns", words.netns);
    add("--events", words.events);
    if (words.failed) text.emplace_back("--failed");
    if (words.no_ephemeral) text.emplace_back("--no-ephemeral");
    return text;
}

Result<Filter> resolve(const FilterWords& words, const std::optional<CgroupTree>& cgroups) {
    auto resolved = resolve_words(words);
    if (!resolved) return resolved.error();
    Filter& filter = *resolved;
    if (!words.uid.empty()) {
        filter.uid = parse_number(words.uid);
        if (!filter.uid) filter.uid = Users().uid(words.uid);
        if (!filter.uid) return Error{"--uid: there is no user '" + words.uid + "' in /etc/passwd"};
    }
    if (!words.netns.empty()) {
        filter.netns = find_netns(words.netns);
        if (!filter.netns && words.netns.find_first_not_of("-0123456789") == std::string::npos)
            return Error{"--netns: '" + words.netns + "' is not the number of a network namespace", 0,
                         "lsns -t net lists them"};
        if (!filter.netns) {
            filter.netns_name = words.netns;
            spdlog::warn("--netns: `ip netns` knows no '{}'; it is taken for the name of a container or a unit",
                         words.netns);
        }
    }
    warn_of_numbers(filter);
    if (!words.unit.empty() || !words.cgroup.empty()) {
        if (!cgroups) return Error{"--unit and --cgroup need a hierarchy of cgroups, and none is mounted"};
    }
    if (!words.cgroup.empty()) {
        const auto path = find_cgroup(words.cgroup, cgroups->mount);
        if (!path) return path.error();
        set_cgroup(filter, *path, *cgroups);
    }
    if (!words.unit.empty()) {
        const std::string name = unit_name(words.unit);
        const auto path = find_unit(name, cgroups->mount);
        if (!path) return path.error();
        if (*path && name.ends_with(".socket")) {
            filter.cgroup = **path;
            filter.counts_sockets = true;  // whoever uses them, so the kernel's filter on tasks is not for it
        } else if (*path) {
            set_cgroup(filter, **path, *cgroups);
        } else {
            filter.unit = name;
            spdlog::warn("--unit: no '{}' is running; it will be seen when it starts", name);
        }
    }
    return resolved;
}

Result<RecordedFilter> resolve_recorded(const FilterWords& words) {
    const auto resolved = resolve_words(words);
    if (!resolved) return resolved.error();
    RecordedFilter filter{.filter = *resolved, .user = {}};
    if (words.events.empty()) filter.filter.kinds = ~0u;  // all that was recorded
    if (!words.uid.empty()) {
        filter.filter.uid = parse_number(words.uid);
        if (!filter.filter.uid) filter.user = words.uid;
    }
    if (words.netns == "self") return Error{"--netns: a capture has no 'self'", 0, "give its number or its name"};
    if (!words.netns.empty()) {
        filter.filter.netns = parse_number(words.netns);
        if (!filter.filter.netns) filter.filter.netns_name = words.netns;
    }
    if (!words.unit.empty()) filter.filter.unit = unit_name(words.unit);
    if (!words.cgroup.empty()) {
        std::string path = words.cgroup;
        if (path.starts_with("/sys/fs/cgroup/")) path.erase(0, std::string_view("/sys/fs/cgroup").size());
        while (path.ends_with('/')) path.pop_back();
        if (!path.empty()) filter.filter.cgroup = path.starts_with('/') ? path : "/" + path;
    }
    return filter;
}

}  // namespace bindtrace
