// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/capture_reader.h"
#include "capture/holder_table.h"
#include "filter/recorded_filter.h"
#include "model/receiver.h"
#include "pipeline/teller.h"
#include "sink/held_ports.h"

namespace bindtrace {

// All that happened to some ports: who held them at the start, the records of the live stream, and in text who holds
// them at the end. Times of the text are UTC.
class History final : public Receiver {
  public:
    struct Form {
        bool json = false;
        bool colour = false;
        bool tells_host = false;  // since there are several
    };

    // Appends to `out`, for the caller to take away. `sink` is that of the form.
    History(const RecordedFilter& filter, Sink& sink, std::string& out, Form form)
        : filter_(filter), teller_(sink, out), out_(out), form_(form) {}

    // Of the checkpoints of a recording the first is read.
    CaptureReader::Choice begin_block(const BlockHeader& header) const;

    void begin_of(std::uint64_t recording) override;
    void meta(const Meta& meta) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override;
    void warning(const Warning& warning) override;
    void checkpoint(const Checkpoint& checkpoint) override;
    void end(const RecordingEnd& end) override;

    // At the end.
    void finish();

    // Was there anything about these ports?
    bool found() const { return found_; }

  private:
    struct Story {
        explicit Story(TaskCache& tasks) : held(tasks) {}

        std::optional<Meta> meta;
        bool knows_holders = false;
        std::uint64_t last_ktime_ns = 0;
        HolderTable held;
        std::uint64_t claims = 0, failures = 0, releases = 0;
    };

    void begin_day(std::int64_t time_ns);
    void tell_held(std::vector<HeldPort> ports, std::uint64_t ktime_ns, HeldWhen when);
    void tell_end(const Story& story);
    std::string on_host(const Story& story) const;

    const RecordedFilter& filter_;
    Teller teller_;
    std::string& out_;
    const Form form_;
    TaskCache tasks_;
    std::vector<std::unique_ptr<Story>> stories_;   // in the order they begin
    std::unordered_map<std::uint64_t, Story*> of_;  // by recording
    std::uint64_t recording_ = 0;
    Story* current_ = nullptr;
    std::int64_t day_ = -1;  // since the epoch
    bool found_ = false;
};

}  // namespace bindtrace
