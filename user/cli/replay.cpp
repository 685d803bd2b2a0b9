// SPDX-License-Identifier: MIT
#include "cli/replay.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "cli/capture_series.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "filter/recorded_filter.h"
#include "pipeline/teller.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

constexpr std::size_t kOutputGoal = 64 << 10;  // bytes that are written at once

// One stream out of the files of a series: each of them begins with the same meta.
class Replay final : public SeriesReceiver {
  public:
    Replay(Output& output, Sink& sink, const RecordedFilter& filter)
        : output_(output), teller_(sink, output.buffer()), filter_(filter) {}

    CaptureReader::Choice begin_block(const BlockHeader& header) override {
        recording_ = header.recording;
        if (!status_) return CaptureReader::Choice::stop;
        return header.kind == BlockKind::checkpoint ? CaptureReader::Choice::skip : CaptureReader::Choice::read;
    }

    void meta(const Meta& meta) override {
        if (!told_.insert(recording_).second) return;
        teller_.meta(meta);
        flush();
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if (!status_ || !filter_.matches(event, context)) return;
        ++events_;
        if (findings != nullptr) ++failures_;
        teller_.event(event, context, findings);
        flush();
    }
    void loss(const Loss& loss) override {
        lost_ += loss.count;
        teller_.loss(loss);
        flush();
    }

    Status status() const { return status_; }
    void tell_totals() const { spdlog::info("{} events, {} of them failures, {} lost", events_, failures_, lost_); }

  private:
    void flush() {
        if (status_ && output_.buffer().size() >= kOutputGoal) status_ = output_.flush();
    }

    Output& output_;
    Teller teller_;
    const RecordedFilter& filter_;
    std::uint64_t recording_ = 0;
    std::set<std::uint64_t> told_;
    std::uint64_t events_ = 0, failures_ = 0, lost_ = 0;
    Status status_;
};

}  // namespace

int run_replay(const Options& options) {
    const auto filter = resolve_recorded(options.filter);
    if (!filter) return report(filter.error(), kExitUsage);
    const std::unique_ptr<Sink> sink = make_sink(options.json);
    Output output(STDOUT_FILENO, -1);
    Replay replay(output, *sink, *filter);
    const auto read = read_series(options.captures, replay);
    if (!read) {
        static_cast<void>(output.finish());
        return report(read.error(), kExitRuntime);
    }
    Status status = replay.status();
    if (status) status = output.finish();
    if (!status) return report(status.error(), kExitRuntime);
    replay.tell_totals();
    return read->complete ? kExitFine : kExitIncomplete;
}

}  // namespace bindtrace
