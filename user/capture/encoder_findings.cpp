// SPDX-License-Identifier: MIT
// What is known about a failure, and about who holds a port.
#include "capture/encoder.h"

namespace bindtrace {

void BlockEncoder::put_findings(WireWriter& to, const Findings& findings) {
    to.bytes(findings.refusal ? refusal(*findings.refusal).out() : std::string_view());
    to.number(findings.holders.size());
    for (const Holder& one : findings.holders) to.bytes(holder(one).out());
    to.bytes(findings.range ? range(*findings.range).out() : std::string_view());
    to.bytes(findings.local_addresses ? addresses(*findings.local_addresses).out() : std::string_view());
    if (!findings.to_reserve.empty()) to.bytes(findings.to_reserve);
}

// Its holders are told with what is known about them, by put_findings().
WireWriter BlockEncoder::refusal(const Refusal& refusal) {
    const SocketParts parts = parts_of(refusal.claimant, {}, std::nullopt, std::nullopt);
    WireWriter body;
    put_socket(body, refusal.claimant, parts);
    for (const std::uint32_t part :
         {refusal.claimant_uid, refusal.in_the_way, refusal.seen, std::uint32_t{refusal.complete},
          std::uint32_t{refusal.ephemeral_first}, std::uint32_t{refusal.ephemeral_last}, refusal.unprivileged_start,
          std::uint32_t{refusal.port_reserved}, std::uint32_t{refusal.may_take_low_ports}, refusal.common_opts,
          std::uint32_t{refusal.own_first}, std::uint32_t{refusal.own_last}})
        body.number(part);
    return body;
}

WireWriter BlockEncoder::holder(const Holder& holder) {
    const bt_holder& raw = holder.raw;
    const SocketParts parts =
        parts_of(raw.sock, {.flags = raw.flags, .op = raw.op}, holder.socket_cgroup_path, holder.netns_name);
    const std::uint64_t claimant = task({.task = raw.task}), process = owner(holder.process),
                        last = owner(holder.last_process), inside = container(&holder.container);
    const WireWriter port = holder.published ? published(*holder.published) : WireWriter();
    std::vector<std::uint64_t> others;
    for (const Owner& other : holder.others) others.push_back(task(task_view(other)));
    WireWriter body;
    put_socket(body, raw.sock, parts);
    body.number(raw.since_ns);
    body.number(raw.uid);
    body.number(raw.substate);
    body.number((raw.has_claim != 0 ? 1u : 0u) | (raw.explicit_port != 0 ? 2u : 0u) | (raw.of_kernel != 0 ? 4u : 0u) |
                (holder.last_process_exited ? 8u : 0u) | (holder.since_ns ? 16u : 0u) |
                (holder.serves_itself ? 32u : 0u));
    body.number(claimant);
    body.number(process);
    body.number(last);
    if (holder.since_ns) body.signed_number(beside_clock(*holder.since_ns, raw.since_ns));
    if (inside == 0 && !holder.published && holder.processes == 0) return body;  // no more is known
    body.number(inside);
    body.bytes(port.out());
    body.number(holder.processes);
    body.number(others.size());
    for (const std::uint64_t other : others) body.number(other);
    return body;
}

WireWriter BlockEncoder::published(const Published& published) {
    const std::uint64_t address = string_if(published.container_address), runtime = string(published.runtime);
    WireWriter body;
    body.number(published.host_port);
    body.number(published.container_port.value_or(0));
    body.number(address);
    body.number(published.container_gone ? 1 : 0);
    body.number(runtime);
    return body;
}

WireWriter BlockEncoder::range(const RangeUse& range) {
    WireWriter body;
    body.number(range.taken);
    body.number(range.shares.size());
    for (const RangeShare& share : range.shares) {
        const std::uint64_t state = string(share.state), who = owner(share.owner);
        body.number(share.ports);
        body.number(state);
        body.number(who);
    }
    body.number(range.reserved ? *range.reserved + 1 : 0);
    return body;
}

// Never empty: none at all are still known to be none.
WireWriter BlockEncoder::addresses(const std::vector<LocalAddress>& addresses) {
    WireWriter body;
    body.number(addresses.size());
    for (const LocalAddress& local : addresses) {
        const std::uint64_t interface = string(local.interface), bytes = address(local.address.data());
        body.number(interface);
        body.number(local.family);
        body.number(bytes);
    }
    for (const LocalAddress& local : addresses) {
        const std::uint64_t vrf = string(local.vrf_name);
        body.number(local.index);
        body.number(local.vrf);
        body.number(vrf);
    }
    return body;
}

}  // namespace bindtrace
