// SPDX-License-Identifier: MIT
#include "report/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "model/warning.h"
#include "sink/escape.h"
#include "sink/time_format.h"

namespace bindtrace {
namespace {

constexpr std::size_t kDateLength = 10;

}  // namespace

CaptureReader::Choice History::begin_block(const BlockHeader& header) const {
    const auto found = of_.find(header.recording);
    const bool knows_holders = found != of_.end() && found->second->knows_holders;
    return knows_holders && header.kind == BlockKind::checkpoint ? CaptureReader::Choice::skip
                                                                 : CaptureReader::Choice::read;
}

void History::begin_of(std::uint64_t recording) {
    if (current_ != nullptr && recording == recording_) return;
    recording_ = recording;
    Story*& story = of_[recording];
    if (story == nullptr) story = stories_.emplace_back(std::make_unique<Story>(tasks_)).get();
    current_ = story;
    teller_.begin_of(recording);
}

void History::meta(const Meta& meta) {
    if (current_->meta) return;  // the next file of a series
    current_->meta = meta;
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

std::string History::on_host(const Story& story) const {
    if (!form_.tells_host) return "";
    std::string text = " on ";
    append_text(text, story.meta && !story.meta->host.empty() ? story.meta->host : "?");
    return text;
}

void History::tell_held(std::vector<HeldPort> ports, std::uint64_t ktime_ns, HeldWhen when) {
    sort_held_ports(ports);
    if (!form_.json) return append_held_ports_text(out_, ports, form_.colour, when);
    std::optional<std::string> host;
    if (form_.tells_host) host = current_->meta ? current_->meta->host : "";
    append_held_ports_json(out_, ports, ktime_ns, host);
}

void History::checkpoint(const Checkpoint& checkpoint) {
    if (std::exchange(current_->knows_holders, true)) return;
    std::vector<HeldPort> ports;
    for (const HeldPort& port : checkpoint.ports)
        if (filter_.matches(port)) ports.push_back(port);
    current_->held.restart(ports, checkpoint.complete, checkpoint.ktime_ns);
    begin_day(checkpoint.time_ns);
    if (ports.empty()) return;
    found_ = true;
    if (!form_.json) {
        std::array<char, ClockTimeFormat::kLength> time;
        ClockTimeFormat(Zone::utc).write(time.data(), checkpoint.time_ns);
        fmt::format_to(std::back_inserter(out_), "{}  held already{}:\n", std::string_view(time.data(), time.size()),
                       on_host(*current_));
    }
    tell_held(std::move(ports), checkpoint.ktime_ns, HeldWhen::now);
}

void History::event(const Event& event, const Context& context, const Findings* findings) {
    if (!filter_.matches(event, context)) return;
    found_ = true;
    begin_day(context.time_ns);
    teller_.event(event, context, findings);
    current_->last_ktime_ns = std::max<std::uint64_t>(current_->last_ktime_ns, event.ktime_ns);
    current_->held.apply(event, context);
    if (event.error != 0)
        ++current_->failures;
    else if (event.kind == BT_KIND_RELEASE)
        ++current_->releases;
    else if (event.kind == BT_KIND_BIND || event.kind == BT_KIND_AUTOBIND)
        ++current_->claims;
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

void History::end(const RecordingEnd& end) {
    current_->last_ktime_ns = std::max(current_->last_ktime_ns, end.ktime_ns);
}

void History::finish() {
    if (form_.json) return;
    for (const auto& story : stories_) tell_end(*story);
}

void History::tell_end(const Story& story) {
    Checkpoint last = story.held.checkpoint(0, story.last_ktime_ns);
    const bool tells_all = story.knows_holders && last.complete && story.meta && tells_all_claims(*story.meta, filter_);
    const auto plural = [](std::uint64_t count) { return count == 1 ? "" : "s"; };
    fmt::format_to(std::back_inserter(out_), "-- {} claim{}, {} failure{}, {} release{}{}; at the end {} --\n",
                   story.claims, plural(story.claims), story.failures, plural(story.failures), story.releases,
                   plural(story.releases), on_host(story),
                   !last.ports.empty() ? "held by"
                   : tells_all         ? "nobody holds it"
                                       : "it is not known who holds it");
    if (!last.ports.empty()) tell_held(std::move(last.ports), 0, HeldWhen::since_start);
}

}  // namespace bindtrace
