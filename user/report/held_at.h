// SPDX-License-Identifier: MIT
// Who held what at some time: from the last checkpoint before it, with the claims and releases until then. Captures are
// read twice: for what the headers of their blocks tell, and then for the blocks that are needed, of which alone the
// contents are looked at.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "capture/capture_reader.h"
#include "capture/holder_table.h"
#include "model/receiver.h"
#include "report/moment.h"

namespace bindtrace {

// A recording, by its headers. Header times are of the boot-time clock.
struct RecordingSpan {
    Meta meta;
    std::optional<std::int64_t> utc_offset_ns;  // UTC minus the boot-time clock; none: nothing told it
    std::uint64_t first_ktime_ns = 0, last_ktime_ns = 0;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> checkpoints;  // time and sequence number

    bool has_beginning = true;  // false: the files before these are gone, or the first blocks

    // Who held what can be told between these: of one whose beginning is not there, from its first checkpoint on.
    std::int64_t first_ns() const;
    std::int64_t last_ns() const { return static_cast<std::int64_t>(last_ktime_ns) + utc_offset_ns.value_or(0); }
};

// The first reading.
class SpanFinder final : public Receiver {
  public:
    CaptureReader::Choice begin_block(const BlockHeader& header);

    void begin_of(std::uint64_t recording) override { current_ = &spans_[recording]; }
    void meta(const Meta& meta) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override;
    void checkpoint(const Checkpoint& checkpoint) override;

    // By recording.
    const std::map<std::uint64_t, RecordingSpan>& spans() const { return spans_; }

  private:
    void learn(std::int64_t time_ns, std::uint64_t ktime_ns);

    std::map<std::uint64_t, RecordingSpan> spans_;
    RecordingSpan* current_ = nullptr;
};

struct HeldThen {
    Meta meta;
    Checkpoint held;  // of the time asked for
};

// The second reading.
class HeldAt final : public Receiver {
  public:
    // Of those recordings that were running then.
    HeldAt(const std::map<std::uint64_t, RecordingSpan>& spans, const Moment& moment);

    bool is_within() const { return !wanted_.empty(); }

    CaptureReader::Choice begin_block(const BlockHeader& header);

    void begin_of(std::uint64_t recording) override;
    void meta(const Meta& /*meta*/) override {}
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& /*loss*/) override {}
    void checkpoint(const Checkpoint& checkpoint) override;

    // In the order of their beginnings.
    std::vector<HeldThen> held() const;

  private:
    struct Wanted {
        Meta meta;
        std::optional<std::uint32_t> from;  // sequence number of the checkpoint to begin with
        bool found = false;                 // it could be read
        std::uint64_t until_ktime_ns = 0;
        std::int64_t until_ns = 0;
        HolderTable table;
    };

    TaskCache tasks_;
    std::map<std::uint64_t, Wanted> wanted_;
    Wanted* current_ = nullptr;
};

}  // namespace bindtrace
