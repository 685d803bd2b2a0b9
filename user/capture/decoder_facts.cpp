// SPDX-License-Identifier: MIT
// What happened, and the fields that such records have in common.
#include <algorithm>
#include <cstring>

#include "capture/decoder.h"
#include "model/names.h"

namespace bindtrace {
namespace {

constexpr std::size_t kHeldAtOnce = 4096;  // for which room is made on a number's word

}  // namespace

void BlockDecoder::take_meta(WireReader& body, Receiver& receiver) {
    Meta meta;
    meta.ktime_ns = next_ktime(body);
    meta.time_ns = utc(meta.ktime_ns, 0);
    for (std::string* text : {&meta.version, &meta.host, &meta.kernel, &meta.strategy}) *text = body.bytes();
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) meta.filters.emplace_back(body.bytes());
    if (!body.failed()) receiver.meta(meta);
}

void BlockDecoder::take_netns(WireReader& body, Receiver& receiver) {
    NetnsFacts netns;
    const Named name = named(body, netns_);
    netns.inum = static_cast<std::uint32_t>(name.id);
    netns.name = name.text;
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        auto& [key, value] = netns.sysctls.emplace_back();
        key = body.bytes();
        value = body.bytes();
    }
    body.part([&](WireReader& part) { netns.addresses = addresses(part); });
    if (!body.failed()) receiver.netns(netns);
}

void BlockDecoder::take_failure(WireReader& body, Receiver& receiver) {
    Event told{};
    Context context;
    body.part([&](WireReader& part) { event(part, told, context); });
    if (told.kind == 0) body.fail();  // it was not there
    const std::size_t budget = budget_;
    const Findings found = findings(body);
    budget_ = budget;  // they are gone in a moment
    if (!body.failed()) receiver.event(told, context, &found);
}

void BlockDecoder::take_loss(WireReader& body, Receiver& receiver) {
    Loss loss;
    loss.ktime_ns = next_ktime(body);
    loss.time_ns = utc(loss.ktime_ns, 0);
    loss.reason = static_cast<LossReason>(std::min<std::uint64_t>(body.number(), 0xff));
    loss.count = body.number();
    if (!body.failed()) receiver.loss(loss);
}

void BlockDecoder::take_warning(WireReader& body, Receiver& receiver) {
    const std::size_t budget = budget_;
    Warning warning;
    warning.ktime_ns = next_ktime(body);
    warning.time_ns = utc(warning.ktime_ns, 0);
    warning.reason = static_cast<WarningReason>(std::min<std::uint64_t>(body.number(), 0xff));
    body.part([&](WireReader& part) { warning.claim = holder(part); });
    warning.entry = port_entry(body);
    warning.unknown = body.bytes();
    warning.reserved = body.bytes();
    warning.refused_error = static_cast<int>(std::min<std::uint64_t>(body.number(), 0xffff));
    warning.refused_ns = body.number();
    budget_ = budget;  // it is gone in a moment
    if (!body.failed()) receiver.warning(warning);
}

// The first captures had no time in it.
void BlockDecoder::take_end(WireReader& body, Receiver& receiver) {
    RecordingEnd end;
    for (std::uint64_t* const part : {&end.events, &end.failures, &end.lost}) *part = body.number();
    end.continues = body.number() != 0;
    end.ktime_ns = next_ktime(body);
    if (end.ktime_ns != 0) end.time_ns = utc(end.ktime_ns, 0);
    if (!body.failed()) receiver.end(end);
}

void BlockDecoder::begin_checkpoint(WireReader& body) {
    Checkpoint& checkpoint = checkpoint_.emplace();
    checkpoint.ktime_ns = next_ktime(body);
    checkpoint.time_ns = utc(checkpoint.ktime_ns, 0);
    checkpoint.ports.reserve(std::min<std::uint64_t>(body.number(), kHeldAtOnce));
    checkpoint.complete = body.number() != 0;
}

void BlockDecoder::take_held(WireReader& body) {
    HeldPort port;
    body.part([&](WireReader& part) { port.holder = holder(part); });
    port.processes = body.number();
    if (!checkpoint_) body.fail();
    spend(body, sizeof(HeldPort));
    if (!body.failed()) checkpoint_->ports.push_back(std::move(port));
}

std::int64_t BlockDecoder::utc(std::uint64_t ktime_ns, std::int64_t beside) const {
    return static_cast<std::int64_t>(ktime_ns + static_cast<std::uint64_t>(clock_ns_) +
                                     static_cast<std::uint64_t>(beside));
}

std::optional<std::string_view> BlockDecoder::string(WireReader& body) const {
    const std::uint64_t number = body.number();
    if (number == 0) return std::nullopt;
    if (number <= strings_.size()) return strings_[number - 1];
    body.fail();
    return std::nullopt;
}

std::optional<std::string> BlockDecoder::copied(WireReader& body) {
    const auto text = string(body);
    spend(body, sizeof(std::string) + text.value_or("").size());
    if (!text || body.failed()) return std::nullopt;
    return std::string(*text);
}

void BlockDecoder::spend(WireReader& body, std::size_t bytes) {
    if (bytes > budget_) return body.fail();
    budget_ -= bytes;
}

void BlockDecoder::address(WireReader& body, std::uint8_t* to) const {
    const auto bytes = string(body);
    if (!bytes) return;
    if (bytes->size() > 16) return body.fail();
    std::memcpy(to, bytes->data(), bytes->size());
}

BlockDecoder::Named BlockDecoder::named(WireReader& body, const std::vector<Named>& from) {
    const std::uint64_t number = body.number();
    if (number == 0) return {};
    if (number <= from.size()) return from[number - 1];
    body.fail();
    return {};
}

const Owner* BlockDecoder::task(WireReader& body) const {
    const std::uint64_t number = body.number();
    if (number == 0) return nullptr;
    if (number <= tasks_.size()) return &tasks_[number - 1];
    body.fail();
    return nullptr;
}

const ContainerFacts* BlockDecoder::container(WireReader& body) const {
    const std::uint64_t number = body.number();
    if (number == 0) return nullptr;
    if (number <= containers_.size()) return &containers_[number - 1];
    body.fail();
    return nullptr;
}

const BlockDecoder::Shape& BlockDecoder::socket(WireReader& body, bt_sock& sock,
                                                std::optional<std::string_view>& cgroup_path) {
    static const Shape kNone;
    const std::uint64_t number = body.number();
    if (number == 0 || number > shapes_.size()) {
        body.fail();
        return kNone;
    }
    const Shape& shape = shapes_[number - 1];
    sock = shape.sock;
    sock.cookie = cookie_ = body.difference(cookie_);
    sock.inode = inode_ = body.difference(inode_);
    const Named cgroup = named(body, cgroups_);
    sock.cgroup_id = cgroup.id;
    cgroup_path = cgroup.text;
    address(body, sock.local_addr);
    sock.local_port = body.narrow<std::uint16_t>();
    address(body, sock.remote_addr);
    sock.remote_port = body.narrow<std::uint16_t>();
    return shape;
}

void BlockDecoder::event(WireReader& body, Event& event, Context& context) {
    event.ktime_ns = next_ktime(body);
    context.time_ns = utc(event.ktime_ns, 0);
    if (const Owner* const who = task(body)) {
        event.task = who->task;
        context.process = who->process ? &*who->process : nullptr;
        context.start_time_ns = who->start_time_ns;
        context.user = who->user;
        context.cgroup_path = who->cgroup_path;
    }
    const Shape& shape = socket(body, event.sock, context.socket_cgroup_path);
    context.netns_name = shape.netns_name;
    event.kind = shape.kind;
    event.flags = shape.flags;
    event.op = shape.op;
    event.error = shape.error;
    event.addr_family = shape.addr_family;
    address(body, event.addr);
    event.port = body.narrow<std::uint16_t>();
    event.held_ns = body.number();
    context.container = container(body);
    context.read_paths();
    if (kind_name(event.kind).empty() || event.error < 0) body.fail();
}

}  // namespace bindtrace
