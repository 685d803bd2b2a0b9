// SPDX-License-Identifier: MIT
// The command line, parsed once and constant afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/filter_options.h"
#include "kernel/strategy.h"

namespace bindtrace {

enum class Command { trace, record, replay, report, exported, who, check, doctor };

struct RecordOptions {
    std::string path;  // "-" is stdout
    bool force = false;
    std::uint64_t duration_ns = 0;  // 0 = not given, here and below
    std::uint64_t max_bytes = 0;
    unsigned rotate = 1;
    std::uint64_t keep_ns = 0;
    std::uint64_t keep_bytes = 0;
    std::vector<std::string> command;
};

struct ExportOptions {
    std::string format;  // "jsonl", "csv", "perfetto", "sqlite"
    std::string path;    // "-" is stdout
    bool force = false;
    bool redact = false;
};

struct Options {
    Command command = Command::trace;
    bool json = false;
    bool verbose = false;
    bool fail_on_loss = false;
    bool fail_on_conflict = false;
    std::string attach = "auto";
    unsigned ring_mib = 16;
    std::vector<std::string> asked_ports;  // of `who`, as typed
    RecordOptions record;
    ExportOptions exported;
    std::vector<std::string> captures;    // of `replay`, `report` and `export`
    std::string at;                       // of `report`, as typed; empty = not given
    std::string html;                     // of `report`: the page to make, "-" is stdout; empty = none
    bool force = false;                   // of `report`: replace it
    std::vector<std::string> registries;  // of `check` and of --registry: files and folders
    bool learn = false;
    std::optional<std::uint64_t> wait_ns;  // --wait
    FilterWords filter;
    std::vector<std::string> filter_text;  // "--port 8080" ..., for the meta record
};

// Is that one of the captures to be read, which are not to be written over?
bool is_a_capture(const std::string& path, const Options& options);

// Either the options, or the exit code of a run that ends here (--help, --version, a usage error: printed already).
struct ParseOutcome {
    std::optional<Options> options;
    int exit_code = 0;
};

ParseOutcome parse_command_line(int argc, char** argv);

}  // namespace bindtrace
