// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "diagnose/diagnose.h"
#include "diagnose/warning_words.h"
#include "model/receiver.h"
#include "sink/sink.h"

namespace bindtrace {

// The end of the pipeline: diagnose -> sink. The same words for what happens now and for what a capture tells of.
class Teller final : public Receiver {
  public:
    // Appends to `out`, for the caller to take away.
    Teller(Sink& sink, std::string& out) : sink_(sink), out_(out) {}

    void begin_of(std::uint64_t recording) override {
        recording_ = recording;
        sink_.begin_of(recording);
    }
    void meta(const Meta& meta) override { sink_.meta(meta, out_); }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if (findings == nullptr) return sink_.record({event, context}, out_);
        const Conflict conflict = diagnoses_[recording_].diagnose(event, context, *findings);
        sink_.record({event, context, &conflict}, out_);
    }
    void loss(const Loss& loss) override { sink_.loss(loss, out_); }
    void warning(const Warning& warning) override { sink_.warning(warning, words_of(warning), out_); }
    void checkpoint(const Checkpoint& checkpoint) override { sink_.held_at_start(checkpoint, out_); }

  private:
    Sink& sink_;
    std::uint64_t recording_ = 0;
    std::map<std::uint64_t, Diagnosis> diagnoses_;  // by recording: who failed before on another host is another
    std::string& out_;
};

}  // namespace bindtrace
