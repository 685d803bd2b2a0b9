// SPDX-License-Identifier: MIT
// tracer -> decode -> filter -> enrich -> Receiver: events as they happen, with all that is to be known about them now.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "enrich/enricher.h"
#include "filter/filter.h"
#include "kernel/kernel_facts.h"
#include "kernel/tracer.h"
#include "model/receiver.h"
#include "pipeline/claim_watch.h"
#include "pipeline/portless_services.h"

namespace bindtrace {

class LiveSource {
  public:
    // registry: null where no claims are to be warned of.
    LiveSource(Tracer& tracer, const KernelFacts& facts, const Filter& filter, PortWatch* registry, Receiver& receiver);

    // What happens after this is seen.
    Meta start(const KernelFacts& facts, const std::vector<std::string>& filter_text);

    // Hands over what is there, at most `limit` events. Returns how many there were.
    std::size_t consume(std::size_t limit) { return tracer_.consume(handler_, limit); }

    // Each second: follows the wall clock, tells of what was lost and of services that run on without a port.
    void tick();

    // No event after this but those in the ring buffer; and when these are told, what is still to be said.
    void stop() { tracer_.disarm(); }
    void finish();

    Enricher& enricher() { return enricher_; }
    std::uint64_t events() const { return events_; }
    std::uint64_t failures() const { return failures_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t warnings() const { return portless_told_ + (watch_ ? watch_->warnings() : 0); }

  private:
    using Looks = std::unordered_map<std::uint32_t, std::int64_t>;  // by netns: not before, boot-time clock

    void take(std::span<const std::byte> bytes);
    void tell(const Sample& sample);
    void tell_losses();
    std::uint64_t last_returns_missed() const;
    Findings findings(const Sample& sample);
    static bool may_look(Looks& looks, const Event& event);
    std::optional<std::vector<LocalAddress>> addresses(const Event& event);
    std::optional<RangeUse> range(const Event& event, const Refusal& refusal);
    bool sees_all_binds() const;
    void tell_loss(LossReason reason, std::uint64_t total);

    Tracer& tracer_;
    const Filter& filter_;
    Receiver& receiver_;
    Enricher enricher_;
    PortlessServices portless_{[this](const bt_process_key& process) { return enricher_.is_alive(process); }};
    std::optional<ClaimWatch> watch_;
    Looks ranges_looked_at_, addresses_looked_at_;
    const Tracer::Handler handler_ = [this](std::span<const std::byte> bytes) { take(bytes); };
    std::array<std::uint64_t, 5> told_{};  // by LossReason
    std::uint64_t events_ = 0, failures_ = 0, lost_ = 0, undecoded_ = 0, portless_told_ = 0;
};

}  // namespace bindtrace
