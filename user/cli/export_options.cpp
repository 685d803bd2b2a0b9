// SPDX-License-Identifier: MIT
#include "cli/export_options.h"

#include <CLI/CLI.hpp>
#include <string>

namespace bindtrace {

void add_export_options(CLI::App& app, Options& options) {
    ExportOptions& exported = options.exported;
    app.add_option("FILE", options.captures, "Captures, or - for stdin: of a series or of several hosts, in any order")
        ->required();
    app.add_option("--to", exported.format,
                   "jsonl (as replay --json), csv, perfetto (for ui.perfetto.dev) or sqlite (tables, and the views "
                   "conflicts, holders_at and port_history)")
        ->check(CLI::IsMember({"jsonl", "csv", "perfetto", "sqlite"}).description(""))
        ->type_name("FORMAT")
        ->required();
    app.add_option("-o,--output", exported.path, "The file to make, or - for stdout (not sqlite)")
        ->type_name("FILE")
        ->required();
    app.add_flag("--force", exported.force, "Replace a file that is there already");
    app.add_flag("--redact", exported.redact,
                 "To be shown to others: command lines, addresses and the names of hosts, users, threads (comm), "
                 "executables, cgroups, units, containers, images, pods, network namespaces and interfaces become "
                 "tokens, the same for the same within this export. Ports, numbers (pid, uid), times, loopback, "
                 "wildcard and multicast addresses stay, and the words that a verdict turns on (docker-proxy, conmon, "
                 "python ...). "
                 "Filters look at what was recorded");
}

Status check_export(const Options& options) {
    const std::string& path = options.exported.path;
    if (path == "-" && options.exported.format == "sqlite")
        return Error{"-o -: a database cannot be written to a pipe; name a file"};
    if (is_a_capture(path, options)) return Error{"-o: " + path + " is the capture itself"};
    return {};
}

}  // namespace bindtrace
