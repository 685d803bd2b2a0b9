// SPDX-License-Identifier: MIT
// --registry: claims as they are made -> are they their owners'? -> warnings.
//
// A claim is judged at once, with two exceptions, since a false alarm is worse than one that comes a moment later:
// docker-proxy and its like have the port before their container is written down, and a daemon binds as root before it
// becomes the user that the registry names. Those are looked at again each second, for a while.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/bounded_cache.h"
#include "enrich/enricher.h"
#include "model/receiver.h"
#include "model/warning.h"
#include "registry/port_watch.h"

namespace bindtrace {

class ClaimWatch {
  public:
    using SocketUsers = std::function<void(std::span<bt_socket_user>)>;  // fills in who has them open now

    ClaimWatch(PortWatch& ports, Enricher& enricher, SocketUsers socket_users, Receiver& receiver)
        : ports_(ports), enricher_(enricher), socket_users_(std::move(socket_users)), receiver_(receiver) {}

    // What was enriched last is to be enriched again after this.
    void event(const Event& event);

    // Each second.
    void tick() { settle(false); }

    // What is still open is told as it is. May take a second.
    void finish();

    std::uint64_t warnings() const { return warnings_; }

  private:
    HeldSocket claim_of(const Event& event);
    void settle(bool now);
    bool shares(const Warning& warning, const HeldSocket& claim);
    void tell(Warning warning, const HeldSocket& claim, std::uint64_t ktime_ns);

    static constexpr std::size_t kJudged = 4096;
    static constexpr std::size_t kOpen = 256;

    PortWatch& ports_;
    Enricher& enricher_;
    SocketUsers socket_users_;
    Receiver& receiver_;
    BoundedCache<std::uint64_t, std::uint16_t> judged_{kJudged};  // socket -> port: listen(2) is no new claim
    std::vector<Event> open_;                                     // claims that are looked at again
    std::int64_t next_look_ns_ = 0;
    std::uint64_t warnings_ = 0;
};

}  // namespace bindtrace
