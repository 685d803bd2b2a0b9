// SPDX-License-Identifier: MIT
// What is known about a failure, and about who holds a port.
#include "capture/decoder.h"

namespace bindtrace {
namespace {

std::size_t size_of(const Owner& owner) {
    std::size_t size = owner.user.value_or("").size() + owner.cgroup_path.value_or("").size();
    if (!owner.process) return size;
    size += owner.process->exe.value_or("").size() + owner.process->ancestry.size() * sizeof(Ancestor);
    if (!owner.process->cmdline) return size;
    for (const std::string& word : *owner.process->cmdline) size += sizeof(std::string) + word.size();
    return size;
}

std::size_t size_of(const ContainerFacts& facts) {
    std::size_t size = 0;
    const auto add = [&size](const std::optional<std::string>& text) { size += text.value_or("").size(); };
    if (facts.container) {
        size += facts.container->runtime.size() + facts.container->id.size();
        add(facts.container->name);
        add(facts.container->image);
    }
    if (facts.pod)
        for (const auto* text : {&facts.pod->name_space, &facts.pod->name, &facts.pod->uid, &facts.pod->container})
            add(*text);
    return size;
}

}  // namespace

std::optional<Owner> BlockDecoder::owner(WireReader& body) {
    const Owner* const found = task(body);
    if (found == nullptr) return std::nullopt;
    spend(body, sizeof(Holder) + size_of(*found));
    return body.failed() ? std::nullopt : std::optional(*found);
}

Findings BlockDecoder::findings(WireReader& body) {
    Findings found;
    body.part([&](WireReader& part) { found.refusal = refusal(part); });
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left)
        body.part([&](WireReader& part) { found.holders.push_back(holder(part)); });
    if (found.refusal)
        for (const Holder& one : found.holders) found.refusal->holders.push_back(one.raw);
    body.part([&](WireReader& part) { found.range = range(part); });
    body.part([&](WireReader& part) { found.local_addresses = addresses(part); });
    found.to_reserve = body.bytes();
    return found;
}

Refusal BlockDecoder::refusal(WireReader& body) {
    Refusal refusal;
    std::optional<std::string_view> nowhere;
    socket(body, refusal.claimant, nowhere);
    refusal.claimant_uid = body.narrow<std::uint32_t>();
    refusal.in_the_way = body.narrow<std::uint32_t>();
    refusal.seen = body.narrow<std::uint32_t>();
    refusal.complete = body.number() != 0;
    refusal.ephemeral_first = body.narrow<std::uint16_t>();
    refusal.ephemeral_last = body.narrow<std::uint16_t>();
    refusal.unprivileged_start = body.narrow<std::uint32_t>();
    refusal.port_reserved = body.number() != 0;
    refusal.may_take_low_ports = body.number() != 0;     // an older recording knows neither this
    refusal.common_opts = body.narrow<std::uint32_t>();  // nor this
    refusal.own_first = body.narrow<std::uint16_t>();    // nor these
    refusal.own_last = body.narrow<std::uint16_t>();
    return refusal;
}

Holder BlockDecoder::holder(WireReader& body) {
    Holder holder;
    bt_holder& raw = holder.raw;
    std::optional<std::string_view> cgroup_path;
    const Shape& shape = socket(body, raw.sock, cgroup_path);
    spend(body, sizeof(Holder) + cgroup_path.value_or("").size() + shape.netns_name.value_or("").size());
    if (body.failed()) return holder;
    holder.socket_cgroup_path = cgroup_path;
    holder.netns_name = shape.netns_name;
    raw.flags = shape.flags;
    raw.op = shape.op;
    raw.since_ns = body.number();
    raw.uid = body.narrow<std::uint32_t>();
    raw.substate = body.narrow<std::uint8_t>();
    const std::uint64_t bits = body.number();
    raw.has_claim = (bits & 1) != 0;
    raw.explicit_port = (bits & 2) != 0;
    raw.of_kernel = (bits & 4) != 0;
    holder.last_process_exited = (bits & 8) != 0;
    holder.serves_itself = (bits & 32) != 0;
    if (const Owner* const claimant = task(body)) raw.task = claimant->task;
    holder.process = owner(body);
    holder.last_process = owner(body);
    if ((bits & 16) != 0) holder.since_ns = utc(raw.since_ns, body.signed_number());
    if (const ContainerFacts* const inside = container(body)) {
        spend(body, size_of(*inside));
        if (!body.failed()) holder.container = *inside;
    }
    body.part([&](WireReader& part) { holder.published = published(part); });
    holder.processes = body.narrow<std::uint32_t>();
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left)
        if (auto other = owner(body)) holder.others.push_back(*std::move(other));
    return holder;
}

Published BlockDecoder::published(WireReader& body) {
    Published published{.host_port = body.narrow<std::uint16_t>()};
    if (const auto port = body.narrow<std::uint16_t>(); port != 0) published.container_port = port;
    published.container_address = copied(body);
    published.container_gone = body.number() != 0;
    published.runtime = copied(body).value_or("");
    return published;
}

PortEntry BlockDecoder::port_entry(WireReader& body) {
    PortEntry entry;
    entry.first_port = body.narrow<std::uint16_t>();
    entry.last_port = body.narrow<std::uint16_t>();
    entry.protocol = body.narrow<std::uint16_t>();
    bt_sock place{};
    place.family = body.narrow<std::uint16_t>();
    place.opts = BT_OPT_V6ONLY;
    address(body, place.local_addr);
    if (place.family != 0) entry.address = place;
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        OwnerRule& owner = entry.owners.emplace_back();
        const auto kind = body.number();
        if (kind > static_cast<std::uint64_t>(OwnerRule::Kind::exe)) body.fail();
        owner.kind = static_cast<OwnerRule::Kind>(kind);
        owner.name = copied(body).value_or("");
    }
    entry.netns = copied(body);
    entry.file = copied(body).value_or("");
    entry.line = body.narrow<std::uint32_t>();
    return entry;
}

RangeUse BlockDecoder::range(WireReader& body) {
    RangeUse use;
    use.taken = body.number();
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        RangeShare& share = use.shares.emplace_back();
        share.ports = body.number();
        share.state = string(body).value_or("");
        share.owner = owner(body);
    }
    if (const std::uint64_t reserved = body.number(); reserved != 0) use.reserved = reserved - 1;
    return use;
}

std::vector<LocalAddress> BlockDecoder::addresses(WireReader& body) {
    std::vector<LocalAddress> list;
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        LocalAddress& local = list.emplace_back();
        local.interface = copied(body).value_or("");
        local.family = body.narrow<std::uint16_t>();
        address(body, local.address.data());
    }
    for (LocalAddress& local : list) {  // an older recording knows none of this
        local.index = body.narrow<std::uint32_t>();
        local.vrf = body.narrow<std::uint32_t>();
        local.vrf_name = copied(body).value_or("");
    }
    return list;
}

}  // namespace bindtrace
