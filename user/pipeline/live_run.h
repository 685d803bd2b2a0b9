// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/result.h"
#include "kernel/tracer.h"
#include "pipeline/live_source.h"

namespace bindtrace {

// Where a live run's events end up: what it does with them is told by its Receiver, and this is when it may write.
class Destination {
  public:
    Destination() = default;
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;
    virtual ~Destination() = default;

    virtual Status flush() = 0;   // after each batch
    virtual Status tick() = 0;    // each second
    virtual Status finish() = 0;  // at the end, and after a failure

    // Events that it was given and, having failed, could not pass on.
    virtual std::uint64_t lost() = 0;
};

// A descriptor that may end the run.
struct Watched {
    int fd = -1;
    std::uint32_t events = 0;                           // EPOLLIN; 0 = only errors. A plain file cannot be watched
    std::function<Result<bool>(std::uint32_t)> is_end;  // asked with the epoll events that came
};

// Ends it with an error when whoever reads stdout has gone: the next thing to write may be long in coming.
Watched closed_stdout();

// Takes what the source has until something watched says that it is the end, and then the rest of it.
Status run_live(Tracer& tracer, LiveSource& source, Destination& destination, std::span<const Watched> watched);

}  // namespace bindtrace
