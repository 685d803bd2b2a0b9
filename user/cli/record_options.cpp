// SPDX-License-Identifier: MIT
#include "cli/record_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "capture/capture_files.h"
#include "cli/amounts.h"

namespace bindtrace {
void add_record_options(CLI::App& app, RecordOptions& record, RecordWords& words) {
    app.add_option("-o,--output", record.path, "The file to make, or - for stdout")->type_name("FILE")->required();
    app.add_flag("--force", record.force, "Replace a file that is there already");
    CLI::Option* duration = app.add_option("--duration", words.duration, "End after this: 30s, 10m, 2h");
    CLI::Option* size =
        app.add_option("--max-size", words.max_size, "Begin a new file after this: 200M, 2G (FILE becomes FILE.1)");
    CLI::Option* rotate = app.add_option("--rotate", record.rotate, "How many earlier files to keep");
    CLI::Option* keep = app.add_option(
        "--keep", words.keep,
        "Flight recorder: only the last 10m (in FILE and FILE.1 to FILE.8), or 200M on disk (to FILE.7)");
    duration->type_name("TIME");
    size->type_name("SIZE")->excludes(keep);
    rotate->type_name("N")->check(CLI::Range(1u, 1000u))->capture_default_str()->needs(size);
    keep->type_name("TIME|SIZE");
    app.footer(
        "bindtrace record -o FILE [OPTIONS] -- COMMAND ARGUMENT...\n"
        "starts COMMAND when everything is attached, records until it ends, and ends with its exit code.");
}

Status resolve_record(const RecordWords& words, Options& options) {
    RecordOptions& record = options.record;
    if (!words.duration.empty()) {
        const auto duration = parse_time(words.duration);
        if (!duration) return Error{"--duration: '" + words.duration + "' is not a time such as 30s, 10m or 2h"};
        record.duration_ns = *duration;
    }
    if (!words.max_size.empty()) {
        const auto size = parse_size(words.max_size);
        if (!size || *size < kLeastFileBytes)
            return Error{"--max-size: '" + words.max_size + "' is not a size such as 200M, of at least 64K"};
        record.max_bytes = *size;
    }
    if (!words.keep.empty()) {
        const auto time = parse_time(words.keep), size = parse_size(words.keep);
        if (!time && (!size || *size < 8 * kLeastFileBytes))
            return Error{"--keep: '" + words.keep +
                         "' is not a time such as 10m, nor a size such as 200M, of at least 512K"};
        record.keep_ns = time.value_or(0);
        record.keep_bytes = size.value_or(0);
    }
    const bool is_pipe = record.path == "-";
    if (is_pipe && options.json) return Error{"-o - and --json both want stdout"};
    if (is_pipe && (record.max_bytes != 0 || !words.keep.empty())) return Error{"-o - cannot begin a new file"};
    if (!record.command.empty() && record.duration_ns != 0)
        return Error{"--duration and a command exclude each other: it is recorded until the command ends"};
    return {};
}

Result<int> take_command(int argc, char** argv, std::vector<std::string>& command) {
    const std::span words(argv, static_cast<std::size_t>(argc));
    const auto is = [](std::string_view text) { return [text](const char* word) { return text == word; }; };
    const auto dashes = std::ranges::find_if(words, is("--"));
    if (dashes == words.end() || std::find_if(words.begin(), dashes, is("record")) == dashes) return argc;
    command.assign(dashes + 1, words.end());
    if (command.empty() || command.front().empty()) return Error{"record: there is no command after --"};
    return static_cast<int>(dashes - words.begin());
}

}  // namespace bindtrace
