// SPDX-License-Identifier: MIT
#include "report/history.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "model/warning.h"
#include "sink/held_ports.h"
#include "sink/time_format.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kNsPerDay = 86'400'000'000'000;
constexpr std::size_t kDateLength = 10;

}  // namespace

void History::begin_of(std::uint64_t recording) {
    if (begun_.contains(recording)) {
        recording_ = recording;
        return;
    }
    finish();
    begun_.insert(recording);
    recording_ = recording;
}

void History::meta(const Meta& meta) {
    if (day_ >= 0) return;  // the next file of a series
    teller_.meta(meta);
    begin_day(meta.time_ns);
}

void History::begin_day(std::int64_t time_ns) {
    const std::int64_t day = time_ns / kNsPerDay;
    if (day == day_) return;
    day_ = day;
    if (form_.json) return;
    std::array<char, UtcTimeFormat::kLength> text;
    UtcTimeFormat().write(text.data(), time_ns);
    fmt::format_to(std::back_inserter(out_), "-- {} UTC --\n", std::string_view(text.data(), kDateLength));
}

void History::tell_held(std::vector<HeldPort> ports, std::uint64_t ktime_ns) {
    sort_held_ports(ports);
    form_.json ? append_held_ports_json(out_, ports, ktime_ns) : append_held_ports_text(out_, ports, form_.colour);
}

void History::checkpoint(const Checkpoint& checkpoint) {
    if (!knows_holders_.insert(recording_).second) return;
    std::vector<HeldPort> ports;
    for (const HeldPort& port : checkpoint.ports)
        if (filter_.matches(port)) ports.push_back(port);
    held_.restart(ports, checkpoint.complete);
    begin_day(checkpoint.time_ns);
    if (ports.empty()) return;
    found_ = true;
    if (!form_.json) {
        std::array<char, ClockTimeFormat::kLength> time;
        ClockTimeFormat(Zone::utc).write(time.data(), checkpoint.time_ns);
        fmt::format_to(std::back_inserter(out_), "{}  held already:\n", std::string_view(time.data(), time.size()));
    }
    tell_held(std::move(ports), checkpoint.ktime_ns);
}

void History::event(const Event& event, const Context& context, const Findings* findings) {
    if (!filter_.matches(event, context)) return;
    found_ = true;
    begin_day(context.time_ns);
    teller_.event(event, context, findings);
    held_.apply(event, context);
    if (event.error != 0)
        ++failures_;
    else if (event.kind == BT_KIND_RELEASE)
        ++releases_;
    else if (event.kind == BT_KIND_BIND || event.kind == BT_KIND_AUTOBIND)
        ++claims_;
}

void History::warning(const Warning& warning) {
    if (!filter_.matches(HeldPort{.holder = warning.claim, .processes = 1})) return;
    found_ = true;
    begin_day(warning.time_ns);
    teller_.warning(warning);
}

// Of any port: an event of this one may be among them.
void History::loss(const Loss& loss) {
    begin_day(loss.time_ns);
    teller_.loss(loss);
}

void History::finish() {
    if (!form_.json && day_ >= 0) {
        Checkpoint last = held_.checkpoint(0, 0);
        const auto plural = [](std::uint64_t count) { return count == 1 ? "" : "s"; };
        fmt::format_to(std::back_inserter(out_), "-- {} claim{}, {} failure{}, {} release{}; at the end {} --\n",
                       claims_, plural(claims_), failures_, plural(failures_), releases_, plural(releases_),
                       last.ports.empty() ? "nobody holds it" : "held by");
        if (!last.ports.empty()) tell_held(std::move(last.ports), 0);
    }
    held_.restart({}, true);
    day_ = -1;
    claims_ = failures_ = releases_ = 0;
}

}  // namespace bindtrace
