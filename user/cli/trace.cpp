// SPDX-License-Identifier: MIT
#include "cli/trace.h"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "cli/live.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "pipeline/live_run.h"
#include "pipeline/teller.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

class Stream final : public Destination {
  public:
    explicit Stream(Output& output) : output_(output) {}

    Status flush() override { return output_.flush(); }
    Status tick() override { return output_.flush(); }
    Status finish() override { return output_.finish(); }
    std::uint64_t lost() override { return output_.lost(); }

  private:
    Output& output_;
};

}  // namespace

int run_trace(const Options& options) {
    const auto signals = watch_signals({SIGINT, SIGTERM, SIGHUP});
    if (!signals) return report(signals.error(), kExitRuntime);
    int exit_code = kExitFine;
    auto live = go_live(options, exit_code);
    if (!live) return exit_code;
    live->facts.forget_btf();
    malloc_trim(0);  // loading took ten times the memory that running does

    const std::unique_ptr<Sink> sink = make_sink(options.json);
    Output output(STDOUT_FILENO, signals->get());
    Teller teller(*sink, output.buffer());
    LiveSource source(*live->tracer, live->facts, live->filter, live->registry.get(), teller);
    Stream stream(output);
    teller.meta(source.start(live->facts, options.filter_text));
    const Watched watched[] = {{.fd = signals->get(), .events = EPOLLIN, .is_end = [](std::uint32_t) { return true; }},
                               closed_stdout()};
    Status status = stream.flush();
    if (status) status = run_live(*live->tracer, source, stream, watched);
    const int code = end_live(source, stream.lost(), options);
    return status ? code : report(status.error(), kExitRuntime);
}

}  // namespace bindtrace
