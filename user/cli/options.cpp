// SPDX-License-Identifier: MIT
#include "cli/options.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <system_error>

#include "core/exit_codes.h"
#include "enrich/netns_names.h"
#include "enrich/users.h"

namespace bindtrace {
namespace {

constexpr const char* kFooter = R"(
Examples:
  bindtrace                          every bind, listen, ephemeral port and release, as they happen
  bindtrace --failed                 only what was refused
  bindtrace --port 8080 --json       all that happens to port 8080, for a program
  bindtrace who 8080                 who holds a port now, whoever it is and wherever
  bindtrace check ports.toml         does each port belong to whom the registry says, and is it safe
  bindtrace check --wait 30s FILE    the same, once all is well: in a roll-out, after a start
  bindtrace check --learn            a registry of what listens now
  bindtrace doctor                   what this kernel and this user allow

Exit codes: 0 fine, 1 runtime error, 2 usage error, 3 a port that `who` was asked about is held by
nobody or an entry of `check` is not ok, 4 events were lost (with --fail-on-loss).
Data goes to stdout, everything else to stderr.)";

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
    app.add_option("--cgroup", words.cgroup,
                   "cgroup v2, with its descendants: /system.slice or /sys/fs/cgroup/system.slice")
        ->type_name("PATH")
        ->group(group);
    app.add_option("--netns", words.netns, "Network namespace: inode number, `ip netns` name, host or self")
        ->type_name("INUM|NAME|self")
        ->group(group);
    app.add_flag("--failed", words.failed, "Only what was refused")->group(group);
    app.add_option("--events", words.events, "bind, listen, autobind, state, release (default: all but state)")
        ->type_name("LIST")
        ->group(group);
    app.add_flag("--no-ephemeral", words.no_ephemeral, "Hide ports that the kernel chose")->group(group);
}

void add_trace_options(CLI::App& app, Options& options) {
    add_filter_options(app, options.filter);
    app.add_flag("--json", options.json, "JSON lines instead of text");
    app.add_option("--attach", options.attach, "How to attach: auto, fentry, kprobe, tracepoint")
        ->check(CLI::IsMember({"auto", "fentry", "kprobe", "tracepoint"}))
        ->type_name("STRATEGY")
        ->capture_default_str();
    app.add_option("--ring-size", options.ring_mib, "Ring buffer, a power of two")
        ->type_name("MIB")
        ->check(CLI::IsMember({1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 256u, 512u, 1024u}).description(""))
        ->capture_default_str();
    app.add_flag("--fail-on-loss", options.fail_on_loss, "Exit 4 if an event was lost");
    app.add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
}

// What was given, in the words it was given in.
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
    add("--cgroup", words.cgroup);
    add("--netns", words.netns);
    add("--events", words.events);
    if (words.failed) text.emplace_back("--failed");
    if (words.no_ephemeral) text.emplace_back("--no-ephemeral");
    return text;
}

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

// The host's own unit where containers and users have one of that name too.
Result<std::string> find_unit(const std::string& unit, const std::string& mount) {
    const std::string name = unit.find('.') == std::string::npos ? unit + ".service" : unit;
    std::vector<std::string> found, own;
    collect_cgroups(mount, "/", name, found);
    std::ranges::copy_if(found, std::back_inserter(own), [](const std::string& path) {
        return !path.starts_with("/machine.slice/") && !path.starts_with("/lxc") && !path.starts_with("/user.slice/");
    });
    if (own.empty()) own = found;
    if (own.size() == 1) return own.front();
    if (own.empty())
        return Error{"--unit: no running unit '" + name + "' has a cgroup", 0,
                     "systemctl status " + name + " tells its state"};
    std::string all;
    for (const std::string& path : own) all += " " + path;
    return Error{"--unit: several units are called '" + name + "':" + all, 0, "choose one with --cgroup"};
}

Result<std::uint32_t> find_netns(const std::string& word) {
    if (const auto number = parse_number(word); number && *number != 0) return *number;
    std::string path = "/run/netns/" + word;
    if (word == "self") path = "/proc/self/ns/net";
    if (word == "host") path = "/proc/1/ns/net";
    const auto inum = NetnsNames::inum_of(path);
    if (!inum)
        return Error{"--netns: there is no network namespace '" + word + "'", 0, "ip netns lists the named ones"};
    return *inum;
}

}  // namespace

ParseOutcome parse_command_line(int argc, char** argv) {
    Options options;
    CLI::App app("Tells who takes which port, live: binds and their failures, listeners, ephemeral ports, releases.",
                 "bindtrace");
    app.set_version_flag("-V,--version", "bindtrace " BINDTRACE_VERSION);
    app.footer(kFooter);
    app.require_subcommand(0, 1);
    add_trace_options(app, options);
    CLI::App* trace = app.add_subcommand("trace", "Live stream (what bindtrace does without a command)");
    add_trace_options(*trace, options);
    CLI::App* who = app.add_subcommand("who", "Who holds these ports now, in every network namespace");
    who->add_option("PORT", options.asked_ports,
                    "Port or range, with or without a protocol: 8080, 53/udp, 9000-9100/tcp (default: all that listen "
                    "or are bound)")
        ->type_name("PORT[/PROTO]");
    who->add_flag("--json", options.json, "A line of JSON for each socket instead of a table");
    who->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
    CLI::App* check = app.add_subcommand("check", "Does each port belong to whom the registry says, and is it safe");
    CLI::Option* registries =
        check->add_option("REGISTRY", options.registries, "Registries in TOML, and folders of *.toml")
            ->type_name("REGISTRY.toml");
    CLI::Option* check_json = check->add_flag("--json", options.json, "A line of JSON for each entry");
    const auto strict = static_cast<CLI::AsNumberWithUnit::Options>(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                                                    CLI::AsNumberWithUnit::UNIT_REQUIRED);
    const std::map<std::string, std::uint64_t> units = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
    CLI::Option* wait =
        check
            ->add_option("--wait", options.wait_ms,
                         "Wait until every entry is ok, at most so long: 500ms, 30s, 5m. Needs what tracing needs")
            ->transform(CLI::AsNumberWithUnit(units, strict).description(""))
            ->type_name("TIME");
    check->add_flag("--learn", options.learn, "Print a registry of what listens now")
        ->excludes(registries)
        ->excludes(check_json)
        ->excludes(wait);
    check->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
    CLI::App* doctor = app.add_subcommand("doctor", "What this kernel and this user allow, and what to do about it");
    doctor->add_flag("--json", options.json, "JSON instead of text");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help and --version
            app.exit(error, std::cout, std::cerr);
            return {std::nullopt, kExitFine};
        }
        spdlog::error("{}", error.what());
        spdlog::error("bindtrace --help lists the commands and flags");
        return {std::nullopt, kExitUsage};
    }
    for (CLI::App* parsed : {&app, trace}) {
        for (const CLI::Option* option : parsed->get_options()) {
            if (option->count() == 0 || option->get_type_size_max() == 0 || !option->results().front().empty())
                continue;
            spdlog::error("{}: must not be empty", option->get_name());  // an empty shell variable is not "no filter"
            return {std::nullopt, kExitUsage};
        }
    }
    if (check->parsed() && !options.learn && options.registries.empty()) {
        spdlog::error("check: a registry is missing; bindtrace check --learn prints one to start with");
        return {std::nullopt, kExitUsage};
    }
    if (check->parsed()) options.command = Command::check;
    if (who->parsed()) options.command = Command::who;
    if (doctor->parsed()) options.command = Command::doctor;
    options.filter_text = filter_text(options.filter);
    return {options, kExitFine};
}

Result<Filter> resolve(const FilterWords& words, const std::optional<std::string>& cgroup2_mount) {
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
    if (!words.uid.empty()) {
        filter.uid = parse_number(words.uid);
        if (!filter.uid) filter.uid = Users().uid(words.uid);
        if (!filter.uid) return Error{"--uid: there is no user '" + words.uid + "' in /etc/passwd"};
    }
    if (!words.netns.empty()) {
        const auto netns = find_netns(words.netns);
        if (!netns) return netns.error();
        filter.netns = *netns;
    }
    if (!words.unit.empty() && !words.cgroup.empty()) return Error{"--unit and --cgroup exclude each other"};
    if (!words.unit.empty() || !words.cgroup.empty()) {
        if (!cgroup2_mount) return Error{"--unit and --cgroup need the cgroup v2 hierarchy, which is not mounted"};
        const auto path =
            words.unit.empty() ? find_cgroup(words.cgroup, *cgroup2_mount) : find_unit(words.unit, *cgroup2_mount);
        if (!path) return path.error();
        filter.cgroup = *path;
        if (*path == "/") filter.cgroup.reset();  // everything
        const std::string parent = path->substr(0, path->rfind('/'));
        if (!parent.empty()) filter.parent_cgroup = *cgroup2_mount + parent;
    }
    filter.pid = words.pid;
    if (!words.comm.empty()) filter.comm = words.comm;
    filter.failed_only = words.failed;
    filter.no_ephemeral = words.no_ephemeral;
    return filter;
}

}  // namespace bindtrace
