// SPDX-License-Identifier: MIT
// What a page shows of the ports of a recording, gathered in one reading beside the summary.
//
// A busy host takes ten thousand source ports for its clients, which would bury the few ports that matter: those that
// somebody asks for by number. So a port gets a lane when it is bound by number, or somebody fails to get it. Of a
// client that was there before, the verdict on that failure knows since when it held the port; other clients are
// counted only.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "filter/recorded_filter.h"
#include "report/lane.h"
#include "report/top.h"

namespace bindtrace {

class Timeline {
  public:
    // Where only some ports are asked for, those of clients get lanes too.
    explicit Timeline(const RecordedFilter& filter)
        : of_clients_(!filter.filter.ports.empty()), tells_ends_(tells_releases(filter)) {}

    // Of a recording, by its index in the Summary: it went on then. The first time is that of its beginning.
    void seen_at(std::size_t recording, std::int64_t time_ns);

    // A port that is held when it begins.
    void held(const HeldPort& port, std::size_t recording);
    void succeeded(const Event& event, const Context& context, std::size_t recording);
    void failed(const Event& event, const Context& context, const Conflict& verdict, const ConflictGroup& group);

    // To be called once, at the end, with the recordings of the summary.
    Drawing drawing(const std::vector<RecordingSummary>& recordings);

  private:
    static bool tells_releases(const RecordedFilter& filter);
    Lane* lane_of(const bt_sock& sock, std::size_t recording, const Context& context, bool may_be_new);
    void released(const Event& event, const Context& context, Lane& lane);
    Activity& activity_of(std::size_t recording);

    const bool of_clients_;
    const bool tells_ends_;
    Top<Lane> lanes_;
    std::bitset<65536> ports_;  // that may have a lane: most events are of others
    Drawing drawing_;
};

}  // namespace bindtrace
