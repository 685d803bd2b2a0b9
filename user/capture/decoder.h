// SPDX-License-Identifier: MIT
// From the records of one block back to values: the mirror of encoder.h. Records of an unknown kind are skipped and
// counted, and so are those that make no sense; fields at the end of a record that this version does not know are
// ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/format.h"
#include "capture/wire.h"
#include "model/receiver.h"
#include "model/warning.h"

namespace bindtrace {

class BlockDecoder {
  public:
    struct Skipped {
        std::uint64_t unknown = 0;    // of a kind that a newer bindtrace writes
        std::uint64_t malformed = 0;  // although the checksum is right
    };

    // What follows is of this block. `records` is to live until the next such call, or the end of it.
    void begin(std::string_view records, std::uint64_t recording);

    // Takes the next record, which is a definition or hands over one value, after begin_of() of its recording. What
    // that refers to lives until the next begin(). False: there is none.
    bool next(Receiver& receiver);

    const Skipped& skipped() const { return skipped_; }

  private:
    struct Shape {
        std::uint32_t kind = 0, flags = 0, op = 0;
        std::int32_t error = 0;
        std::uint16_t addr_family = 0;
        bt_sock sock{};  // with what the shape has of it
        std::optional<std::string_view> netns_name;
    };
    struct Named {
        std::uint64_t id = 0;
        std::optional<std::string_view> text;
    };

    void forget();
    bool take(RecordKind kind, WireReader& body, Receiver& receiver);
    void define_task(WireReader& body);
    void define_shape(WireReader& body);
    void define_container(WireReader& body);
    void take_meta(WireReader& body, Receiver& receiver);
    void take_netns(WireReader& body, Receiver& receiver);
    void take_failure(WireReader& body, Receiver& receiver);
    void take_loss(WireReader& body, Receiver& receiver);
    void take_warning(WireReader& body, Receiver& receiver);
    void take_end(WireReader& body, Receiver& receiver);
    void begin_checkpoint(WireReader& body);
    void take_held(WireReader& body);

    std::optional<std::string_view> string(WireReader& body) const;
    std::optional<std::string> copied(WireReader& body);
    void spend(WireReader& body, std::size_t bytes);
    void address(WireReader& body, std::uint8_t* to) const;
    static Named named(WireReader& body, const std::vector<Named>& from);
    const Owner* task(WireReader& body) const;
    const ContainerFacts* container(WireReader& body) const;
    Published published(WireReader& body);
    std::optional<Owner> owner(WireReader& body);
    const Shape& socket(WireReader& body, bt_sock& sock, std::optional<std::string_view>& cgroup_path);
    void event(WireReader& body, Event& event, Context& context);
    Findings findings(WireReader& body);
    Refusal refusal(WireReader& body);
    Holder holder(WireReader& body);
    PortEntry port_entry(WireReader& body);
    RangeUse range(WireReader& body);
    std::vector<LocalAddress> addresses(WireReader& body);
    std::uint64_t next_ktime(WireReader& body) { return ktime_ns_ = body.difference(ktime_ns_); }
    std::int64_t utc(std::uint64_t ktime_ns, std::int64_t beside) const;

    // A number of one byte may ask for a copy of thousands: so of a block no more than this is made.
    static constexpr std::size_t kBudget = 256 << 20;

    WireReader records_;
    std::uint64_t recording_ = 0;
    std::size_t budget_ = kBudget;
    std::int64_t clock_ns_ = 0;
    std::uint64_t ktime_ns_ = 0, cookie_ = 0, inode_ = 0;
    std::vector<std::string_view> strings_;
    std::vector<Named> cgroups_, netns_;
    std::deque<Owner> tasks_;
    std::deque<ContainerFacts> containers_;
    std::vector<Shape> shapes_;
    std::optional<Checkpoint> checkpoint_;
    Skipped skipped_;
};

}  // namespace bindtrace
