// SPDX-License-Identifier: MIT
#include "report/lane.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace bindtrace {

bool Holding::is_like(const Holding& other) const {
    return is_ephemeral == other.is_ephemeral && identity_of(who) == identity_of(other.who);
}

void Holding::absorb(Holding&& other) {
    has_others |= other.has_others || identity_of(who) != identity_of(other.who);
    first_ns = std::min(first_ns, other.first_ns);
    begin_unknown |= other.begin_unknown;
    is_ephemeral &= other.is_ephemeral;
    listened |= other.listened;
    count += other.count;
    held_ns += other.held_ns;
    if (other.last_ns < last_ns) return;
    last_ns = other.last_ns;
    ending = other.ending;
    who = std::move(other.who);
    sock = other.sock;
}

void Refused::absorb(Refused&& other) {
    has_others |= other.has_others || group != other.group;
    first_ns = std::min(first_ns, other.first_ns);
    count += other.count;
    if (other.last_ns < last_ns) return;
    last_ns = other.last_ns;
    group = other.group;
    who = std::move(other.who);
    holder = std::move(other.holder);
    cause = other.cause;
    error = other.error;
}

bool is_before(const Lane& one, const Lane& other) {
    const auto rank = [](const Lane& lane) {
        return std::tuple(~lane.failures, ~lane.changes, lane.place.recording, lane.place.port, lane.place.protocol,
                          lane.place.netns);
    };
    return rank(one) < rank(other);
}

void Activity::seen_at(std::int64_t time_ns) {
    if (begin_ns == 0) begin_ns = time_ns;
    last_ns = std::max(last_ns, time_ns);
}

// Where it does not fit, two steps become one.
void Activity::add(std::int64_t time_ns, bool has_failed) {
    seen_at(time_ns);
    const std::int64_t since_ns = std::max<std::int64_t>(time_ns - begin_ns, 0);
    while (since_ns / step_ns >= static_cast<std::int64_t>(kSteps)) {
        for (std::size_t i = 0; i < kSteps; ++i) {
            const Step step = std::exchange(steps[i], {});
            steps[i / 2].events += step.events;
            steps[i / 2].failures += step.failures;
        }
        step_ns *= 2;
    }
    Step& step = steps[static_cast<std::size_t>(since_ns / step_ns)];
    ++step.events;
    if (has_failed) ++step.failures;
}

}  // namespace bindtrace
