// SPDX-License-Identifier: MIT
#include "decode/decode.h"

#include <cstring>

namespace bindtrace {
namespace {

constexpr std::size_t kRefusalHead = offsetof(bt_refusal, holders);

bool has_end(const bt_task& task) {
    return std::memchr(task.comm, 0, sizeof(task.comm)) != nullptr;
}

std::optional<Refusal> decode_refusal(std::span<const std::byte> bytes) {
    bt_refusal raw{};
    std::memcpy(&raw, bytes.data(), kRefusalHead);
    if (raw.count > BT_HOLDERS || bytes.size() < kRefusalHead + raw.count * sizeof(bt_holder)) return std::nullopt;
    std::memcpy(raw.holders, bytes.data() + kRefusalHead, raw.count * sizeof(bt_holder));
    Refusal refusal{.claimant = raw.claimant,
                    .claimant_uid = raw.claimant_uid,
                    .in_the_way = raw.in_the_way,
                    .seen = raw.seen,
                    .complete = raw.complete != 0,
                    .ephemeral_first = raw.ephemeral_first,
                    .ephemeral_last = raw.ephemeral_last,
                    .own_first = raw.own_first,
                    .own_last = raw.own_last,
                    .unprivileged_start = raw.unprivileged_start,
                    .port_reserved = raw.port_reserved != 0,
                    .may_take_low_ports = raw.may_take_low_ports != 0,
                    .common_opts = raw.common_opts,
                    .holders = {raw.holders, raw.holders + raw.count}};
    for (const bt_holder& holder : refusal.holders)
        if (!has_end(holder.task)) return std::nullopt;
    return refusal;
}

}  // namespace

std::optional<Sample> decode(std::span<const std::byte> bytes) {
    Sample sample;
    Event& event = sample.event;
    if (bytes.size() < sizeof(event)) return std::nullopt;
    std::memcpy(&event, bytes.data(), sizeof(event));
    if (event.kind < BT_KIND_BIND || event.kind > BT_KIND_RELEASE) return std::nullopt;
    if (!has_end(event.task) || event.error < 0) return std::nullopt;
    if (bytes.size() >= kRefusalHead) {  // an event alone is shorter, also with the ring buffer's padding
        sample.refusal = decode_refusal(bytes);
        if (!sample.refusal) return std::nullopt;
    }
    return sample;
}

}  // namespace bindtrace
