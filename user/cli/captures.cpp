// SPDX-License-Identifier: MIT
#include "cli/captures.h"

#include <cstdint>
#include <set>

#include "cli/capture_series.h"
#include "core/exit_codes.h"

namespace bindtrace {
namespace {

// One stream out of the files of a series: each of them begins with the same meta, and with a checkpoint.
class OneStream final : public SeriesReceiver {
  public:
    OneStream(Checkpoints checkpoints, Receiver& next, const std::function<bool()>& goes_on)
        : checkpoints_(checkpoints), next_(next), goes_on_(goes_on) {}

    CaptureReader::Choice begin_block(const BlockHeader& header) override {
        recording_ = header.recording;
        if (!goes_on_()) return CaptureReader::Choice::stop;
        const bool is_wanted = header.kind != BlockKind::checkpoint ||
                               (checkpoints_ == Checkpoints::first && !checkpointed_.contains(recording_));
        return is_wanted ? CaptureReader::Choice::read : CaptureReader::Choice::skip;
    }
    void meta(const Meta& meta) override {
        if (told_.insert(recording_).second) next_.meta(meta);
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        next_.event(event, context, findings);
    }
    void loss(const Loss& loss) override { next_.loss(loss); }
    void warning(const Warning& warning) override { next_.warning(warning); }
    void checkpoint(const Checkpoint& checkpoint) override {
        if (checkpointed_.insert(recording_).second) next_.checkpoint(checkpoint);
    }

  private:
    Checkpoints checkpoints_;
    Receiver& next_;
    const std::function<bool()>& goes_on_;
    std::uint64_t recording_ = 0;
    std::set<std::uint64_t> told_, checkpointed_;
};

}  // namespace

Result<int> read_captures(const std::vector<std::string>& paths, Checkpoints checkpoints, Receiver& receiver,
                          const std::function<bool()>& goes_on) {
    OneStream stream(checkpoints, receiver, goes_on);
    const auto read = read_series(paths, stream);
    if (!read) return read.error();
    return read->complete ? kExitFine : kExitIncomplete;
}

}  // namespace bindtrace
