// SPDX-License-Identifier: MIT
#include "report/held_at.h"

#include <algorithm>

namespace bindtrace {

std::int64_t RecordingSpan::first_ns() const {
    const bool is_cut = !has_beginning && !checkpoints.empty();
    return static_cast<std::int64_t>(is_cut ? checkpoints.front().first : first_ktime_ns) + utc_offset_ns.value_or(0);
}

CaptureReader::Choice SpanFinder::begin_block(const BlockHeader& header) {
    const auto [found, is_first] = spans_.try_emplace(header.recording);
    RecordingSpan& span = found->second;
    if (is_first) span.has_beginning = header.sequence == 0;
    if (header.last_ns != 0 && !is_restated(header)) {
        if (span.first_ktime_ns == 0 || header.first_ns < span.first_ktime_ns) span.first_ktime_ns = header.first_ns;
        span.last_ktime_ns = std::max(span.last_ktime_ns, header.last_ns);
    }
    if (header.kind == BlockKind::checkpoint) span.checkpoints.emplace_back(header.first_ns, header.sequence);
    // Where the beginning is missing any block tells what the clocks differ by.
    return span.utc_offset_ns ? CaptureReader::Choice::skip : CaptureReader::Choice::read;
}

void SpanFinder::learn(std::int64_t time_ns, std::uint64_t ktime_ns) {
    if (!current_->utc_offset_ns) current_->utc_offset_ns = time_ns - static_cast<std::int64_t>(ktime_ns);
}

void SpanFinder::meta(const Meta& meta) {
    current_->meta = meta;
    learn(meta.time_ns, meta.ktime_ns);
}

void SpanFinder::event(const Event& event, const Context& context, const Findings* /*findings*/) {
    learn(context.time_ns, event.ktime_ns);
}

void SpanFinder::loss(const Loss& loss) {
    learn(loss.time_ns, loss.ktime_ns);
}

void SpanFinder::checkpoint(const Checkpoint& checkpoint) {
    learn(checkpoint.time_ns, checkpoint.ktime_ns);
}

HeldAt::HeldAt(const std::map<std::uint64_t, RecordingSpan>& spans, const Moment& moment) {
    for (const auto& [recording, span] : spans) {
        if (!span.utc_offset_ns) continue;
        const std::int64_t until_ns = utc_of(moment, span.first_ns(), span.last_ns());
        if (until_ns < span.first_ns() || until_ns > span.last_ns()) continue;
        const auto until = static_cast<std::uint64_t>(until_ns - *span.utc_offset_ns);
        std::optional<std::uint32_t> from;
        for (const auto& [ktime_ns, sequence] : span.checkpoints)
            if (ktime_ns <= until) from = std::max(from.value_or(0), sequence);
        wanted_.try_emplace(recording, Wanted{.meta = span.meta,
                                              .from = from,
                                              .until_ktime_ns = until,
                                              .until_ns = until_ns,
                                              .table = HolderTable(tasks_)});
    }
}

CaptureReader::Choice HeldAt::begin_block(const BlockHeader& header) {
    const auto found = wanted_.find(header.recording);
    if (found == wanted_.end()) return CaptureReader::Choice::skip;
    const Wanted& wanted = found->second;
    const bool is_needed = header.kind == BlockKind::checkpoint
                               ? header.sequence == wanted.from
                               : header.kind == BlockKind::events && header.sequence > wanted.from.value_or(0) &&
                                     header.first_ns <= wanted.until_ktime_ns;
    return is_needed ? CaptureReader::Choice::read : CaptureReader::Choice::skip;
}

void HeldAt::begin_of(std::uint64_t recording) {
    current_ = &wanted_.at(recording);  // nothing else is read
}

void HeldAt::event(const Event& event, const Context& context, const Findings* /*findings*/) {
    if (event.ktime_ns <= current_->until_ktime_ns) current_->table.apply(event, context);
}

void HeldAt::checkpoint(const Checkpoint& checkpoint) {
    current_->found = true;
    current_->table.restart(checkpoint.ports, checkpoint.complete, checkpoint.ktime_ns);
}

std::vector<HeldThen> HeldAt::held() const {
    std::vector<HeldThen> all;
    for (const auto& [recording, wanted] : wanted_) {
        HeldThen& then =
            all.emplace_back(HeldThen{wanted.meta, wanted.table.checkpoint(wanted.until_ns, wanted.until_ktime_ns)});
        then.held.complete &= wanted.found;
    }
    std::ranges::stable_sort(all, {}, [](const HeldThen& then) { return then.meta.time_ns; });
    return all;
}

}  // namespace bindtrace
