// SPDX-License-Identifier: MIT
#include "cli/export.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "capture/capture_files.h"
#include "cli/captures.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "pipeline/recorded.h"
#include "redact/redactor.h"
#include "sink/csv_sink.h"
#include "sink/json_sink.h"
#include "sink/perfetto_sink.h"
#include "sink/sqlite_sink.h"

namespace bindtrace {
namespace {

// The captures through the pipeline into the sink; `flush` takes what it has made, `goes_on` is false once it failed.
Result<int> tell(const Options& options, CaptureSet& captures, const RecordedFilter& filter, Sink& sink,
                 std::string& out, const std::function<Status()>& flush, const std::function<bool()>& goes_on) {
    Retelling retelling(sink, out, flush);
    std::optional<Tokens> tokens;
    std::optional<Redactor> redactor;
    if (options.exported.redact) {
        auto made = Tokens::make();
        if (!made) return made.error();
        tokens = *made;
        redactor.emplace(*tokens, retelling);
    }
    Filtered filtered(filter, redactor ? static_cast<Receiver&>(*redactor) : retelling);
    const bool wants_start = options.exported.format == "perfetto" || options.exported.format == "sqlite";
    auto code = read_captures(captures, wants_start ? Checkpoints::first : Checkpoints::none, filtered,
                              [&] { return retelling.goes_on() && goes_on(); });
    if (!retelling.goes_on()) return retelling.status().error();
    if (Status flushed = flush(); !flushed) return flushed.error();
    if (code) tell_totals(retelling.totals());
    return code;
}

Result<int> export_text(const Options& options, CaptureSet& captures, const RecordedFilter& filter,
                        CaptureFiles& file) {
    std::unique_ptr<Sink> sink;
    if (options.exported.format == "jsonl") sink = std::make_unique<JsonSink>(captures.has_several_hosts());
    if (options.exported.format == "csv") sink = std::make_unique<CsvSink>();
    if (options.exported.format == "perfetto") sink = std::make_unique<PerfettoSink>();
    std::string out;
    const auto flush = [&]() -> Status {
        Status written = file.write(out);
        out.clear();
        return written;
    };
    return tell(options, captures, filter, *sink, out, flush, [] { return true; });
}

// SQLite opens the file that was made by its name, and follows no link.
Result<int> fill_database(const Options& options, CaptureSet& captures, const RecordedFilter& filter,
                          const std::string& path) {
    auto sink = SqliteSink::open(path);
    if (!sink) return sink.error();
    std::string none;
    auto code = tell(
        options, captures, filter, **sink, none, [&] { return (*sink)->status(); },
        [&] { return static_cast<bool>((*sink)->status()); });
    if (!code) return code;
    if (Status finished = (*sink)->finish(); !finished) return finished.error();
    return code;
}

Result<int> export_database(const Options& options, CaptureSet& captures, const RecordedFilter& filter) {
    namespace fs = std::filesystem;
    const fs::path given(options.exported.path);
    std::error_code error;
    const fs::path folder = fs::canonical(given.has_parent_path() ? given.parent_path() : ".", error);
    const std::string path = folder / given.filename();
    auto code = fill_database(options, captures, filter, path);
    if (code) return code;
    fs::remove(path, error);  // half a database reads like a whole one
    return code;
}

}  // namespace

int run_export(const Options& options) {
    const auto filter = resolve_recorded(options.filter);
    if (!filter) return report(filter.error(), kExitUsage);
    if (options.exported.path == "-" && options.exported.format == "perfetto" && isatty(STDOUT_FILENO) != 0)
        return report({"a trace is not for a terminal", 0, "-o FILE, or pipe it somewhere"}, kExitUsage);
    auto captures = CaptureSet::look(options.captures);  // before anything is made, or replaced
    if (!captures) return report(captures.error(), kExitRuntime);
    std::signal(SIGXFSZ, SIG_IGN);  // then a file that may not grow is an error of write(), with a message
    auto file = CaptureFiles::open({.path = options.exported.path, .replace = options.exported.force}, -1);
    if (!file) return report(file.error(), kExitRuntime);
    const auto code = options.exported.format == "sqlite" ? export_database(options, *captures, *filter)
                                                          : export_text(options, *captures, *filter, **file);
    if (!code) return report(code.error(), kExitRuntime);
    return *code;
}

}  // namespace bindtrace
