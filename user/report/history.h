// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "capture/holder_table.h"
#include "filter/recorded_filter.h"
#include "model/receiver.h"
#include "pipeline/teller.h"

namespace bindtrace {

// All that happened to some ports: who held them at the start, the records of the live stream, and in text who holds
// them at the end. Times of the text are UTC.
class History final : public Receiver {
  public:
    struct Form {
        bool json = false;
        bool colour = false;
    };

    // Appends to `out`, for the caller to take away. `sink` is that of the form.
    History(const RecordedFilter& filter, Sink& sink, std::string& out, Form form)
        : filter_(filter), teller_(sink, out), out_(out), form_(form) {}

    // What follows is of this recording.
    void begin_of(std::uint64_t recording);
    bool knows_holders() const { return knows_holders_.contains(recording_); }

    void meta(const Meta& meta) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override;
    void warning(const Warning& warning) override;
    void checkpoint(const Checkpoint& checkpoint) override;

    // After the last recording.
    void finish();

    // Was there anything about these ports?
    bool found() const { return found_; }

  private:
    void begin_day(std::int64_t time_ns);
    void tell_held(std::vector<HeldPort> ports, std::uint64_t ktime_ns);

    const RecordedFilter& filter_;
    Teller teller_;
    std::string& out_;
    const Form form_;
    std::uint64_t recording_ = 0;
    std::set<std::uint64_t> begun_, knows_holders_;
    TaskCache tasks_;
    HolderTable held_{tasks_};
    std::int64_t day_ = -1;  // since the epoch
    std::uint64_t claims_ = 0, failures_ = 0, releases_ = 0;
    bool found_ = false;
};

}  // namespace bindtrace
