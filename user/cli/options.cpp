// SPDX-License-Identifier: MIT
#include "cli/options.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <utility>

#include "cli/amounts.h"
#include "cli/export_options.h"
#include "cli/filter_options.h"
#include "cli/record_options.h"
#include "core/exit_codes.h"

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
  bindtrace --registry ports.toml    warns when somebody else takes a port, before its owner fails
  bindtrace doctor                   what this kernel and this user allow

Exit codes: 0 fine, 1 runtime error, 2 usage error, 3 a port that `who` or `report` was asked about
is held by nobody, or nothing is known of it, or an entry of `check` is not ok, or there was a
failure or a warning (with --fail-on-conflict), 4 events were lost (with --fail-on-loss), or a
capture is damaged or has no end. `record -- COMMAND` ends with the exit code of COMMAND, unless
that is 0.
Data goes to stdout, everything else to stderr.)";

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
    app.add_option("--registry", options.registries,
                   "Warn when anybody but its owner takes a port of these registries, whatever the filters say")
        ->type_name("FILE...");
    app.add_flag("--fail-on-conflict", options.fail_on_conflict,
                 "Exit 3 if a failure was seen, or a port of the registry was taken");
    app.add_flag("--fail-on-loss", options.fail_on_loss, "Exit 4 if an event was lost");
    app.add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
}

void add_trace_options(CLI::App& app, Options& options) {
    add_live_options(app, options);
    app.add_flag("--json", options.json, "JSON lines instead of text");
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
    replay
        ->add_option("FILE", options.captures,
                     "Captures, or - for stdin: of a series or of several hosts, in any order")
        ->required();
    add_filter_options(*replay, options.filter);
    replay->add_flag("--json", options.json, "JSON lines instead of text");
    replay->add_flag("-v,--verbose", options.verbose, "Say on stderr what is being done");
    CLI::App* post_mortem =
        app.add_subcommand("report", "What happened, from captures: conflicts, races, who held what");
    post_mortem
        ->add_option("FILE", options.captures,
                     "Captures, or - for stdin: of a series or of several hosts, in any order")
        ->required();
    add_filter_options(*post_mortem, options.filter);
    post_mortem->get_option("--port")
        ->type_name("PORTS[/PROTO]")
        ->description("The whole history of ports: 8080, 53/udp, 8080,9000-9100");
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
                                         "network. With --port of those ports alone")
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
    std::string wait_text;
    CLI::Option* wait =
        check
            ->add_option("--wait", wait_text,
                         "Wait until every entry is ok, at most so long: 500ms, 30s, 5m. Needs what tracing needs")
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
    for (CLI::App* parsed : {&app, trace, record, replay, post_mortem, exported, check}) {
        for (const CLI::Option* option : parsed->get_options()) {
            if (option->get_type_size_max() == 0 || std::ranges::count(option->results(), "") == 0) continue;
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
    if (wait->count() > 0) {
        options.wait_ns = parse_time(wait_text);
        if (!options.wait_ns) {
            spdlog::error("--wait: '{}' is not a time such as 500ms, 30s or 5m", wait_text);
            return {std::nullopt, kExitUsage};
        }
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
    if (!check->parsed())
        for (const std::string& file : options.registries) options.filter_text.push_back("--registry " + file);
    return {options, kExitFine};
}

}  // namespace bindtrace
