// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "model/receiver.h"
#include "model/warning.h"

namespace bindtrace {

// One thing that a reader has handed over, until it is its turn. What an event refers to stays with the reader, so it
// is to be told before that takes its next block.
class KeptRecord final : public Receiver {
  public:
    bool empty() const { return std::holds_alternative<std::monostate>(value_); }
    void clear() { value_ = {}; }

    // UTC, since the epoch. What has no time of its own has that of the one before it.
    std::int64_t time_ns() const { return time_ns_; }

    void begin_of(std::uint64_t recording) override { recording_ = recording; }
    void meta(const Meta& meta) override { keep(meta, meta.time_ns); }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        keep(Told{event, context, findings != nullptr ? std::optional(*findings) : std::nullopt}, context.time_ns);
    }
    void loss(const Loss& loss) override { keep(loss, loss.time_ns); }
    void warning(const Warning& warning) override { keep(warning, warning.time_ns); }
    void host(const Host& host) override { keep(host, time_ns_); }
    void netns(const NetnsFacts& netns) override { keep(netns, time_ns_); }
    void checkpoint(const Checkpoint& checkpoint) override { keep(checkpoint, checkpoint.time_ns); }
    void end(const RecordingEnd& end) override { keep(end, end.time_ns != 0 ? end.time_ns : time_ns_); }

    void tell(Receiver& to) const {
        to.begin_of(recording_);
        std::visit([&to](const auto& value) { tell(to, value); }, value_);
    }

  private:
    struct Told {
        Event event;
        Context context;
        std::optional<Findings> findings;
    };

    template <typename Value>
    void keep(Value value, std::int64_t time_ns) {
        value_ = std::move(value);
        time_ns_ = time_ns;
    }

    static void tell(Receiver& /*to*/, const std::monostate& /*nothing*/) {}
    static void tell(Receiver& to, const Meta& meta) { to.meta(meta); }
    static void tell(Receiver& to, const Told& told) {
        to.event(told.event, told.context, told.findings ? &*told.findings : nullptr);
    }
    static void tell(Receiver& to, const Loss& loss) { to.loss(loss); }
    static void tell(Receiver& to, const Warning& warning) { to.warning(warning); }
    static void tell(Receiver& to, const Host& host) { to.host(host); }
    static void tell(Receiver& to, const NetnsFacts& netns) { to.netns(netns); }
    static void tell(Receiver& to, const Checkpoint& checkpoint) { to.checkpoint(checkpoint); }
    static void tell(Receiver& to, const RecordingEnd& end) { to.end(end); }

    std::uint64_t recording_ = 0;
    std::int64_t time_ns_ = 0;
    std::variant<std::monostate, Meta, Told, Loss, Warning, Host, NetnsFacts, Checkpoint, RecordingEnd> value_;
};

}  // namespace bindtrace
