// SPDX-License-Identifier: MIT
#include "pipeline/live_run.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/clock.h"
#include "core/unique_fd.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kTickNs = 1'000'000'000;  // losses are told at most this late
constexpr std::int64_t kLookNs = 5'000'000;      // while events come, they are looked for this often
constexpr std::size_t kBatch = 128;              // events written at once
constexpr std::size_t kBatches = 128;            // at most, between two looks at signals
constexpr std::uint64_t kTracer = ~0ull;

void watch(int epoll, int fd, std::uint32_t what, std::uint64_t index) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = index;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// All there is, as long as no signal has to be looked at. Returns how many.
Result<std::size_t> drain(LiveSource& source, Destination& destination) {
    std::size_t total = 0;
    for (std::size_t batch = 0; batch < kBatches; ++batch) {
        const std::size_t taken = source.consume(kBatch);
        if (Status flushed = destination.flush(); !flushed) return flushed.error();
        total += taken;
        if (taken < kBatch) break;
    }
    return total;
}

// After a failure too: what nobody gets any more is counted.
Status finish(LiveSource& source, Destination& destination) {
    source.stop();
    while (source.consume(kBatch) > 0) static_cast<void>(destination.flush());  // finish() fails if that does
    source.finish();
    return destination.finish();
}

// Returns when something watched says that it is the end.
Status go_on(Tracer& tracer, LiveSource& source, Destination& destination, std::span<const Watched> watched) {
    const UniqueFd awake(epoll_create1(EPOLL_CLOEXEC)), asleep(epoll_create1(EPOLL_CLOEXEC));
    for (const int epoll : {awake.get(), asleep.get()})
        for (std::size_t i = 0; i < watched.size(); ++i) watch(epoll, watched[i].fd, watched[i].events, i);
    watch(asleep.get(), tracer.poll_fd(), EPOLLIN, kTracer);
    std::int64_t next_tick = clock_ns(CLOCK_BOOTTIME) + kTickNs;
    bool sleeping = false, behind = false;
    for (;;) {
        const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
        const std::int64_t until = sleeping ? next_tick : behind ? now : now + kLookNs;
        const std::int64_t wait_ns = std::max<std::int64_t>(0, until - now);
        std::array<epoll_event, 4> events{};
        const int ready =
            epoll_wait(sleeping ? asleep.get() : awake.get(), events.data(), static_cast<int>(events.size()),
                       static_cast<int>((wait_ns + 999'999) / 1'000'000));
        if (ready < 0 && errno != EINTR) return Error{"epoll_wait", errno};
        for (int i = 0; i < ready; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.u64 == kTracer) continue;
            const auto is_end = watched[event.data.u64].is_end(event.events);
            if (!is_end) return is_end.error();
            if (*is_end) return {};
        }
        auto taken = drain(source, destination);
        if (!taken) return taken.error();
        // Woken for nothing: somebody is still writing a record. Look again in a moment instead of spinning.
        sleeping = *taken == 0 && ready <= 0;
        behind = *taken >= kBatches * kBatch;
        if (sleeping) {
            tracer.going_to_sleep();
            taken = drain(source, destination);
            if (!taken) return taken.error();
            sleeping = *taken == 0;
        }
        if (clock_ns(CLOCK_BOOTTIME) >= next_tick) {
            next_tick = clock_ns(CLOCK_BOOTTIME) + kTickNs;
            source.tick();
            if (Status ticked = destination.tick(); !ticked) return ticked;
        }
    }
}

}  // namespace

Watched closed_stdout() {
    return {.fd = STDOUT_FILENO, .events = 0, .is_end = [](std::uint32_t events) -> Result<bool> {
                if ((events & (EPOLLERR | EPOLLHUP)) == 0) return false;
                return Error{"stdout was closed by its reader", EPIPE};
            }};
}

Status run_live(Tracer& tracer, LiveSource& source, Destination& destination, std::span<const Watched> watched) {
    Status status = go_on(tracer, source, destination, watched);
    Status finished = finish(source, destination);
    return status ? finished : status;
}

}  // namespace bindtrace
