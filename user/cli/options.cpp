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
#include <utility>

#include "cli/export_options.h"
#include "cli/record_options.h"
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
  bindtrace record -o x.btcap -- ./deploy.sh   what happens to ports meanwhile, for later
  bindtrace replay x.btcap --failed  the same stream as live, on any machine
  bindtrace report x.btcap           what went wrong, on one screen
  bindtrace report x.btcap --port 8080   all that happened to a port; --at 20:53 who held it then
  bindtrace report x.btcap --html x.html   a page with a timeline, for any browser
  bindtrace export x.btcap --to sqlite -o x.db   for other tools: jsonl, csv, perfetto, sqlite
  bindtrace who 8080                 who holds a port now, whoever it is and wherever
  bindtrace check ports.toml         does each port belong to whom the registry says, and is it safe
  bindtrace check --wait 30s FILE    the same, once all is well: in a roll-out, after a start
  bindtrace check --learn            a registry of what listens now
  bindtrace doctor                   what this kernel and this user allow

Exit codes: 0 fine, 1 runtime error, 2 usage error, 3 a port that `who` or `report` was asked about
is held by nobody, or nothing is known of it, or an entry of `check` is not ok, 4 events were lost
(with --fail-on-loss), or a capture is damaged or has no end. `record -- COMMAND` ends with the exit
code of COMMAND.
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
    app.add_option("--container", words.container, "Container, by its id (12 digits of it or more) or its name")
        ->type_name("ID|NAME")
        ->group(group);
    app.add_option("--cgroup", words.cgroup,
                   "cgroup v2, with its descendants: /system.slice or /sys/fs/cgroup/system.slice")
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

void add_live_options(CLI::App& app, Options& options) {
    add_filter_options(app, options.filter);
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

void add_trace_options(CLI::App& app, Options& options) {
    add_live_options(app, options);
    app.add_flag("--json", options.json, "JSON lines instead of text");
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
    add("--container", words.container);
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

// As systemctl takes it.
std::string unit_name(const std::string& word) {
    return word.find('.') == std::string::npos ? word + ".service" : word;
}

// Below that directory from now on: a unit's own is made anew each time the unit starts.
void set_cgroup(Filter& filter, const std::string& path, const std::string& mount) {
    if (path != "/") filter.cgroup = path;  // or else everything
    const std::string parent = path.substr(0, path.rfind('/'));
    if (!parent.empty()) filter.parent_cgroup = mount + parent;
}

}  // namespace

bool is_a_capture(const std::string& path, const Options& options) {
    return std::ranges::any_of(options.captures, [&path](const std::string& capture) {
        std::error_code ignored;
        return path != "-" && capture != "-" && std::filesystem::equivalent(path, capture, ignored);
    });
}

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
    RecordWords record_words;
    CLI::App* record = app.add_subcommand("record", "Write a capture, to be read later and elsewhere");
    add_record_options(*record, options.record, record_words);
    record->add_flag("--json", options.json,
                     "Also the whole stream as JSON lines on stdout, instead of failures on stderr");
    add_live_options(*record, options);
    CLI::App* replay = app.add_subcommand("replay", "The stream of a capture, the same as it was live");
    replay->add_option("FILE", options.captures, "Captures, or - for stdin; those of a series in any order")
        ->required();
    add_filter_options(*replay, options.filter);
    replay->add_flag("--json", options.json, "JSON lines instead of text");
    replay->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
    CLI::App* post_mortem =
        app.add_subcommand("report", "What happened, from captures: conflicts, races, who held what");
    post_mortem->add_option("FILE", options.captures, "Captures, or - for stdin; those of a series in any order")
        ->required();
    add_filter_options(*post_mortem, options.filter);
    post_mortem->get_option("--port")->type_name("N[/PROTO]")->description("The whole history of a port, or a range");
    CLI::Option* at =
        post_mortem
            ->add_option("--at", options.at,
                         "Who held what then: 20:53:08 (UTC, of the day of the recording) or 2026-11-21T20:53:08Z")
            ->type_name("TIME");
    CLI::Option* report_json = post_mortem->add_flag(
        "--json", options.json, "One object; lines of JSON with --port (as the live stream) and --at (as who)");
    CLI::Option* html = post_mortem
                            ->add_option("--html", options.html,
                                         "Make a page with a timeline, or - for stdout: one file that needs no "
                                         "network. With --port of that port, or range, alone")
                            ->type_name("FILE")
                            ->excludes(at)
                            ->excludes(report_json);
    post_mortem->add_flag("--force", options.force, "Replace the page if it is there already")->needs(html);
    post_mortem->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
    CLI::App* exported = app.add_subcommand("export", "What captures tell, for other tools");
    add_export_options(*exported, options);
    add_filter_options(*exported, options.filter);
    exported->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
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
    const auto ours = take_command(argc, argv, options.record.command);
    if (!ours) {
        spdlog::error("{}", ours.error().what);
        return {std::nullopt, kExitUsage};
    }
    try {
        app.parse(*ours, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help and --version
            app.exit(error, std::cout, std::cerr);
            return {std::nullopt, kExitFine};
        }
        spdlog::error("{}", error.what());
        spdlog::error("bindtrace --help lists the commands and flags");
        return {std::nullopt, kExitUsage};
    }
    for (CLI::App* parsed : {&app, trace, record, replay, post_mortem, exported}) {
        for (const CLI::Option* option : parsed->get_options()) {
            if (option->count() == 0 || option->get_type_size_max() == 0 || !option->results().front().empty())
                continue;
            spdlog::error("{}: must not be empty", option->get_name());  // an empty shell variable is not "no filter"
            return {std::nullopt, kExitUsage};
        }
    }
    if (record->parsed()) {
        options.command = Command::record;
        if (Status resolved = resolve_record(record_words, options); !resolved) {
            spdlog::error("{}", resolved.error().what);
            return {std::nullopt, kExitUsage};
        }
    }
    if (!record->parsed() && !options.record.command.empty()) {
        spdlog::error("only record runs a command, given after --");
        return {std::nullopt, kExitUsage};
    }
    if (replay->parsed()) options.command = Command::replay;
    if (post_mortem->parsed()) {
        options.command = Command::report;
        if (is_a_capture(options.html, options)) {
            spdlog::error("--html: {} is the capture itself", options.html);
            return {std::nullopt, kExitUsage};
        }
    }
    if (check->parsed() && !options.learn && options.registries.empty()) {
        spdlog::error("check: a registry is missing; bindtrace check --learn prints one to start with");
        return {std::nullopt, kExitUsage};
    }
    if (check->parsed()) options.command = Command::check;
    if (exported->parsed()) {
        options.command = Command::exported;
        if (Status checked = check_export(options); !checked) {
            spdlog::error("{}", checked.error().what);
            return {std::nullopt, kExitUsage};
        }
    }
    if (who->parsed()) options.command = Command::who;
    if (doctor->parsed()) options.command = Command::doctor;
    options.filter_text = filter_text(options.filter);
    return {options, kExitFine};
}

namespace {

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

Result<Filter> resolve(const FilterWords& words, const std::optional<std::string>& cgroup2_mount) {
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
        if (!filter.netns && words.netns.find_first_not_of("0123456789") == std::string::npos)
            return Error{"--netns: '" + words.netns + "' is not the number of a network namespace", 0,
                         "lsns -t net lists them"};
        if (!filter.netns) {
            filter.netns_name = words.netns;
            spdlog::warn("--netns: `ip netns` knows no '{}'; it is taken for the name of a container or a unit",
                         words.netns);
        }
    }
    if (!words.unit.empty() || !words.cgroup.empty()) {
        if (!cgroup2_mount) return Error{"--unit and --cgroup need the cgroup v2 hierarchy, which is not mounted"};
    }
    if (!words.cgroup.empty()) {
        const auto path = find_cgroup(words.cgroup, *cgroup2_mount);
        if (!path) return path.error();
        set_cgroup(filter, *path, *cgroup2_mount);
    }
    if (!words.unit.empty()) {
        const std::string name = unit_name(words.unit);
        const auto path = find_unit(name, *cgroup2_mount);
        if (!path) return path.error();
        if (*path) {
            set_cgroup(filter, **path, *cgroup2_mount);
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
