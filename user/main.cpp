// SPDX-License-Identifier: MIT
//
//     kernel probes -> ring buffer -> decode -> enrich -> diagnose -> sinks
//                                                    |  ^
//                                                    v  |
//                                                  capture
//
#include <fcntl.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include "cli/check.h"
#include "cli/doctor.h"
#include "cli/export.h"
#include "cli/options.h"
#include "cli/record.h"
#include "cli/replay.h"
#include "cli/report_captures.h"
#include "cli/trace.h"
#include "cli/who.h"
#include "core/exit_codes.h"

namespace {

// So that nothing that is opened later takes the number of a standard stream for its own. False where stdout was
// closed.
bool keep_standard_streams() {
    const bool has_stdout = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    while (true) {
        const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (fd > STDERR_FILENO) close(fd);
        if (fd < 0 || fd > STDERR_FILENO) return has_stdout;
    }
}

}  // namespace

int main(int argc, char** argv) {
    using namespace bindtrace;
    const bool has_stdout = keep_standard_streams();
    const auto log = spdlog::stderr_color_mt("bindtrace");
    log->set_pattern("%n: %^%v%$");
    spdlog::set_default_logger(log);
    if (!has_stdout) {
        spdlog::error("stdout is closed, so there is nowhere to write to");
        return kExitRuntime;
    }
    std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error of write(), with a message
    try {
        const ParseOutcome parsed = parse_command_line(argc, argv);
        if (!parsed.options) return parsed.exit_code;
        if (parsed.options->verbose) spdlog::set_level(spdlog::level::debug);
        switch (parsed.options->command) {
            case Command::trace:
                return run_trace(*parsed.options);
            case Command::record:
                return run_record(*parsed.options);
            case Command::replay:
                return run_replay(*parsed.options);
            case Command::report:
                return run_report(*parsed.options);
            case Command::exported:
                return run_export(*parsed.options);
            case Command::who:
                return run_who(*parsed.options);
            case Command::check:
                return run_check(*parsed.options);
            case Command::doctor:
                return run_doctor(*parsed.options);
        }
        return kExitUsage;
    } catch (const std::exception& error) {  // only the libraries throw, and only for want of memory
        spdlog::critical("{}", error.what());
        return kExitRuntime;
    }
}
