// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "capture/capture_chain.h"
#include "model/receiver.h"

namespace bindtrace {

enum class Checkpoints { none, first };  // of each recording: what was held when it began

// One stream out of the files of a series: each of them begins with the same meta, and with a checkpoint.
class OneStream final : public BlockReceiver {
  public:
    OneStream(Checkpoints checkpoints, Receiver& next, const std::function<bool()>& goes_on)
        : checkpoints_(checkpoints), next_(next), goes_on_(goes_on) {}

    CaptureReader::Choice begin_block(const BlockHeader& header) override {
        if (!goes_on_()) return CaptureReader::Choice::stop;
        const bool is_wanted = header.kind != BlockKind::checkpoint ||
                               (checkpoints_ == Checkpoints::first && !checkpointed_.contains(header.recording));
        return is_wanted ? CaptureReader::Choice::read : CaptureReader::Choice::skip;
    }
    void begin_of(std::uint64_t recording) override {
        recording_ = recording;
        next_.begin_of(recording);
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

}  // namespace bindtrace
