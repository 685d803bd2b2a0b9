// SPDX-License-Identifier: MIT
// What a capture tells, on its way out:
//
//     capture reader -> Filtered [-> redaction] -> Retelling: diagnose -> sink
//
// Filters look at what was recorded, and the verdict is made of what may be told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "filter/recorded_filter.h"
#include "model/receiver.h"
#include "model/warning.h"
#include "pipeline/teller.h"

namespace bindtrace {

class Filtered final : public Receiver {
  public:
    Filtered(const RecordedFilter& filter, Receiver& next) : filter_(filter), next_(next) {}

    void begin_of(std::uint64_t recording) override { next_.begin_of(recording); }
    void meta(const Meta& meta) override { next_.meta(meta); }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if (filter_.matches(event, context)) next_.event(event, context, findings);
    }
    void loss(const Loss& loss) override { next_.loss(loss); }
    void warning(const Warning& warning) override {
        if (filter_.matches(HeldPort{.holder = warning.claim, .processes = 1})) next_.warning(warning);
    }

    void checkpoint(const Checkpoint& checkpoint) override {
        Checkpoint wanted = checkpoint;
        std::erase_if(wanted.ports, [this](const HeldPort& port) { return !filter_.matches(port); });
        next_.checkpoint(wanted);
    }

  private:
    const RecordedFilter& filter_;
    Receiver& next_;
};

struct Totals {
    std::uint64_t events = 0, failures = 0, lost = 0, warnings = 0;
};

// Through diagnosis into a sink, with `flush` called each time that enough has been collected in `out`.
class Retelling final : public Receiver {
  public:
    Retelling(Sink& sink, std::string& out, std::function<Status()> flush)
        : teller_(sink, out), out_(out), flush_(std::move(flush)) {}

    void begin_of(std::uint64_t recording) override { teller_.begin_of(recording); }
    void meta(const Meta& meta) override {
        teller_.meta(meta);
        flush();
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if (!status_) return;
        ++totals_.events;
        if (findings != nullptr) ++totals_.failures;
        teller_.event(event, context, findings);
        flush();
    }
    void loss(const Loss& loss) override {
        totals_.lost += loss.count;
        teller_.loss(loss);
        flush();
    }
    void warning(const Warning& warning) override {
        ++totals_.warnings;
        teller_.warning(warning);
        flush();
    }
    void checkpoint(const Checkpoint& checkpoint) override {
        teller_.checkpoint(checkpoint);
        flush();
    }

    bool goes_on() const { return static_cast<bool>(status_); }
    Status status() const { return status_; }
    const Totals& totals() const { return totals_; }

  private:
    static constexpr std::size_t kGoal = 64 << 10;  // bytes that are written at once

    void flush() {
        if (status_ && out_.size() >= kGoal) status_ = flush_();
    }

    Teller teller_;
    std::string& out_;
    std::function<Status()> flush_;
    Totals totals_;
    Status status_;
};

}  // namespace bindtrace
