// SPDX-License-Identifier: MIT
//
//     kernel probes -> ring buffer -> decode -> enrich -> sinks
//
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <exception>

#include "cli/doctor.h"
#include "cli/options.h"
#include "cli/trace.h"
#include "core/exit_codes.h"

int main(int argc, char** argv) {
    using namespace bindtrace;
    const auto log = spdlog::stderr_color_mt("bindtrace");
    log->set_pattern("%n: %^%v%$");
    spdlog::set_default_logger(log);
    std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error of write(), with a message
    try {
        const ParseOutcome parsed = parse_command_line(argc, argv);
        if (!parsed.options) return parsed.exit_code;
        if (parsed.options->verbose) spdlog::set_level(spdlog::level::debug);
        return parsed.options->command == Command::doctor ? run_doctor(*parsed.options) : run_trace(*parsed.options);
    } catch (const std::exception& error) {  // only the libraries throw, and only for want of memory
        spdlog::critical("{}", error.what());
        return kExitRuntime;
    }
}
