// SPDX-License-Identifier: MIT
#include "cli/replay.h"

#include <unistd.h>

#include <memory>

#include "cli/captures.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "pipeline/recorded.h"
#include "sink/output.h"

namespace bindtrace {

int run_replay(const Options& options) {
    const auto filter = resolve_recorded(options.filter);
    if (!filter) return report(filter.error(), kExitUsage);
    auto captures = CaptureSet::look(options.captures);
    if (!captures) return report(captures.error(), kExitRuntime);
    const std::unique_ptr<Sink> sink = make_sink(options.json, Zone::local, captures->has_several_hosts());
    Output output(STDOUT_FILENO, -1);
    Retelling retelling(*sink, output.buffer(), [&output] { return output.flush(); });
    Filtered filtered(*filter, retelling);
    const auto code = read_captures(*captures, Checkpoints::none, filtered, [&] { return retelling.goes_on(); });
    Status status = retelling.status();
    if (status) status = output.finish();
    if (!code) return report(code.error(), kExitRuntime);
    if (!status) return report(status.error(), kExitRuntime);
    tell_totals(retelling.totals());
    return *code;
}

}  // namespace bindtrace
