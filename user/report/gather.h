// SPDX-License-Identifier: MIT
#pragma once

#include <bitset>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "capture/capture_reader.h"
#include "diagnose/diagnose.h"
#include "diagnose/warning_words.h"
#include "filter/recorded_filter.h"
#include "report/port_owners.h"
#include "report/summary.h"
#include "report/timeline.h"
#include "report/top.h"

namespace bindtrace {

bool is_before(const ConflictGroup& one, const ConflictGroup& other);
bool is_before(const WarningGroup& one, const WarningGroup& other);

// Adds up what is read from captures. Memory does not grow with the number of events.
class Gather final : public Receiver {
  public:
    // `timeline` gets what it needs of the same; none: nobody draws one.
    explicit Gather(const RecordedFilter& filter, Timeline* timeline = nullptr)
        : filter_(filter), timeline_(timeline) {}

    // Of the checkpoints of a recording the first is read: it tells the ports held. The others tell how far it went.
    CaptureReader::Choice begin_block(const BlockHeader& header);

    void begin_of(std::uint64_t recording) override;
    void meta(const Meta& meta) override;
    void host(const Host& host) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override;
    void warning(const Warning& warning) override;
    void checkpoint(const Checkpoint& checkpoint) override;
    void end(const RecordingEnd& end) override;

    // To be called once, at the end.
    Summary summary();

  private:
    RecordingSummary& current() { return summary_.recordings[index_]; }
    void seen_at(std::int64_t time_ns, std::uint64_t ktime_ns);
    void failed(const Event& event, const Context& context, const Conflict& verdict);
    void raced(const Event& event, const Context& context, const Conflict& verdict);
    void succeeded(const Event& event, const Context& context);

    const RecordedFilter& filter_;
    Timeline* timeline_;
    std::uint64_t recording_ = 0;
    std::size_t index_ = 0;  // in summary_.recordings
    std::unordered_map<std::uint64_t, std::size_t> indexes_;
    std::set<std::uint64_t> knows_holders_;
    std::unordered_map<std::uint64_t, std::uint32_t> first_sequences_;  // of the blocks, by recording
    std::vector<std::int64_t> utc_offsets_;  // by index: UTC minus the boot-time clock, as it was told last
    std::vector<Diagnosis> diagnoses_;       // by index: who failed before on another machine is another
    PortOwners owners_;
    Top<ConflictGroup> conflicts_;
    Top<WarningGroup> warnings_;
    std::uint64_t last_group_ = 0;      // ConflictGroup::id
    std::bitset<65536> failing_ports_;  // of those groups
    Summary summary_;
};

}  // namespace bindtrace
