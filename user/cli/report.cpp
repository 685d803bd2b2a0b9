// SPDX-License-Identifier: MIT
#include "cli/report.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace bindtrace {

int report(const Error& error, int exit_code) {
    std::string text = error.what;
    if (error.code != 0 && text.find(std::strerror(error.code)) == std::string::npos)
        text += std::string(": ") + std::strerror(error.code);
    spdlog::error("{}", text);
    if (!error.hint.empty()) spdlog::error("{}", error.hint);
    return exit_code;
}

bool wants_colour() {
    const char* no_colour = std::getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no_colour == nullptr || *no_colour == '\0');
}

std::unique_ptr<Sink> make_sink(bool json, Zone zone, bool tells_host) {
    if (json) return std::make_unique<JsonSink>(tells_host);
    return std::make_unique<TextSink>(
        TextSink::Options{.colour = wants_colour(), .zone = zone, .tells_host = tells_host});
}

void tell_totals(const Totals& totals) {
    spdlog::info(
        "{} events, {} of them failures, {} lost{}", totals.events, totals.failures, totals.lost,
        totals.warnings > 0 ? fmt::format("; {} warning{}", totals.warnings, totals.warnings == 1 ? "" : "s") : "");
}

}  // namespace bindtrace
