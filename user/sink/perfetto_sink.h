// SPDX-License-Identifier: MIT
// A trace for ui.perfetto.dev: a group for each network namespace, in it a lane for each protocol and port, on it who
// held the port and for how long, and what was refused, with the verdict as arguments.
//
//     host: web
//       tcp 8080   [ java[1312] config-client.service ......... ]  x EADDRINUSE myapp[18422]
//
// Slices of one track must nest, and holdings of one port need not (SO_REUSEPORT, connections from one source port): so
// a lane is as many tracks of one name as ports are held at once, which the UI shows as one. A holding that does not
// end is left open, and is shown to the end of the trace. Times are those of the boot-time clock; a second recording is
// moved by the wall clock to where it belongs on the clock of the first.
//
// Format: protos/perfetto/trace/{trace_packet,clock_snapshot}.proto and track_event/*.proto of google/perfetto.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "model/conflict.h"
#include "sink/protobuf.h"
#include "sink/sink.h"

namespace bindtrace {

class PerfettoSink final : public Sink {
  public:
    void begin_of(std::uint64_t recording) override;
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;
    void held_at_start(const Checkpoint& checkpoint, std::string& out) override;

  private:
    using Socket = std::tuple<std::uint64_t, std::uint16_t>;  // its cookie or inode, and its port
    struct Lane {
        std::uint64_t group = 0;
        std::string name;
        std::vector<std::uint64_t> tracks;
        std::vector<std::uint64_t> free_from;  // by track: since when, boot-time clock
        std::map<Socket, std::size_t> held;    // which track it is on
    };
    using LaneKey = std::tuple<std::uint64_t, std::uint32_t, std::string, std::uint16_t>;
    struct Origin {
        std::string host;
        std::int64_t shift_ns = 0;   // from its boot-time clock to that of the first
        std::uint64_t begin_ns = 0;  // by its own
    };

    void start(std::string& out);
    std::uint64_t new_track(std::uint64_t parent, std::string_view name, std::string& out);
    std::uint64_t group_of(std::uint32_t netns, std::optional<std::string_view> name, std::string& out);
    Lane& lane_of(const bt_sock& sock, std::uint16_t port, std::optional<std::string_view> netns, std::string& out);
    std::size_t free_track(Lane& lane, std::uint64_t ktime_ns, std::string& out);
    void begin(Lane& lane, const bt_sock& sock, std::uint64_t ktime_ns, ProtoMessage slice, std::string& out);
    void end(Lane& lane, const Record& record, std::string& out);
    void packet(std::uint64_t ktime_ns, ProtoMessage track_event, std::uint64_t track, std::string& out) const;

    bool is_started_ = false;
    std::uint64_t recording_ = 0;
    std::map<std::uint64_t, Origin> origins_;  // by recording
    Origin* origin_ = &origins_[0];
    std::optional<std::int64_t> boot_ns_;  // UTC of the boot of the first
    std::uint64_t tracks_ = 0;
    std::map<std::tuple<std::uint64_t, std::uint32_t>, std::uint64_t> groups_;
    std::map<LaneKey, Lane> lanes_;
};

}  // namespace bindtrace
