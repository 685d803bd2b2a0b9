// SPDX-License-Identifier: MIT
// What comes out of a source of events, live or a capture, and goes to whoever tells it or keeps it:
//
//     tracer -> enrich --+                      +--> diagnose -> sink
//                        +--> Receiver (these) -+
//     capture reader ----+                      +--> capture writer
//
// Everything behind a Receiver is the same for both sources. References and views live until the call returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/conflict.h"
#include "model/record.h"

namespace bindtrace {

struct Warning;

// Of a recording, beyond its Meta.
struct Host {
    std::uint64_t recording = 0;  // random; the same in all files of a series
    std::string machine_id;       // /etc/machine-id; empty = not known
    std::string boot_id;
};

// A network namespace as it was when it was seen first.
struct NetnsFacts {
    std::uint32_t inum = 0;
    std::optional<std::string> name;
    std::vector<std::pair<std::string, std::string>> sysctls;  // "net.ipv4.ip_local_port_range", "32768\t60999"
    std::optional<std::vector<LocalAddress>> addresses;
};

// The ports that are held, as far as the recording tells.
struct Checkpoint {
    std::int64_t time_ns = 0;  // UTC, since the epoch
    std::uint64_t ktime_ns = 0;
    bool complete = true;  // false: there were too many to remember them all
    std::vector<HeldPort> ports;
};

// Of a recording that ended in order.
struct RecordingEnd {
    std::uint64_t events = 0;
    std::uint64_t failures = 0;
    std::uint64_t lost = 0;
    bool continues = false;  // in the next file of the series
    // When it ended, or this file of it; 0 = not told.
    std::int64_t time_ns = 0;  // UTC, since the epoch
    std::uint64_t ktime_ns = 0;
};

class Receiver {
  public:
    Receiver() = default;
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    virtual ~Receiver() = default;

    virtual void meta(const Meta& meta) = 0;
    // `findings` of a failure; null where it succeeded.
    virtual void event(const Event& event, const Context& context, const Findings* findings) = 0;
    virtual void loss(const Loss& loss) = 0;
    // Of a claim that goes against --registry, or of a service without its port.
    virtual void warning(const Warning& /*warning*/) {}

    // Only of captures: what follows, until the next such call, is of this recording.
    virtual void begin_of(std::uint64_t /*recording*/) {}

    // Only of a capture. A series of files restates them, and its meta, in each.
    virtual void host(const Host& /*host*/) {}
    virtual void netns(const NetnsFacts& /*netns*/) {}
    virtual void checkpoint(const Checkpoint& /*checkpoint*/) {}
    virtual void end(const RecordingEnd& /*end*/) {}
};

}  // namespace bindtrace
