// SPDX-License-Identifier: MIT
// What happened, a record each.
#include "capture/encoder.h"

namespace bindtrace {

void BlockEncoder::meta(const Meta& meta) {
    set_clock(meta.time_ns, meta.ktime_ns);
    WireWriter body;
    body.difference(meta.ktime_ns, ktime_ns_);
    ktime_ns_ = meta.ktime_ns;
    for (const std::string* text : {&meta.version, &meta.host, &meta.kernel, &meta.strategy}) body.bytes(*text);
    body.number(meta.filters.size());
    for (const std::string& filter : meta.filters) body.bytes(filter);
    write(RecordKind::meta, body);
    note_time(meta.ktime_ns);
}

void BlockEncoder::host(const Host& host) {
    WireWriter body;
    body.bytes(host.machine_id);
    body.bytes(host.boot_id);
    write(RecordKind::host, body);
}

void BlockEncoder::netns(const NetnsFacts& netns) {
    const std::uint64_t name = pair(RecordKind::netns_name, netns_, netns.inum, netns.name);
    WireWriter body;
    body.number(name);
    body.number(netns.sysctls.size());
    for (const auto& [key, value] : netns.sysctls) {
        body.bytes(key);
        body.bytes(value);
    }
    if (netns.addresses) body.bytes(addresses(*netns.addresses).out());
    write(RecordKind::netns, body);
}

void BlockEncoder::event(const Event& event, const Context& context, const Findings* findings) {
    set_clock(context.time_ns, event.ktime_ns);
    event_.clear();
    put_event(event_, event, context);
    if (findings == nullptr) {
        write(RecordKind::event, event_);
    } else {
        WireWriter body;
        body.bytes(event_.out());
        put_findings(body, *findings);
        write(RecordKind::failure, body);
    }
    note_time(event.ktime_ns);
}

void BlockEncoder::loss(const Loss& loss) {
    set_clock(loss.time_ns, loss.ktime_ns);
    WireWriter body;
    body.difference(loss.ktime_ns, ktime_ns_);
    ktime_ns_ = loss.ktime_ns;
    body.number(static_cast<std::uint64_t>(loss.reason));
    body.number(loss.count);
    write(RecordKind::loss, body);
    note_time(loss.ktime_ns);
}

void BlockEncoder::warning(const Warning& warning) {
    set_clock(warning.time_ns, warning.ktime_ns);
    const PortEntry& entry = warning.entry;
    const WireWriter claim = holder(warning.claim);
    const std::uint64_t at = entry.address ? address(entry.address->local_addr) : 0;
    const std::uint64_t netns = string_if(entry.netns), file = string(entry.file);
    std::vector<std::uint64_t> owners;
    for (const OwnerRule& owner : entry.owners) {
        owners.push_back(static_cast<std::uint64_t>(owner.kind));
        owners.push_back(string(owner.name));
    }
    WireWriter body;
    body.difference(warning.ktime_ns, ktime_ns_);
    ktime_ns_ = warning.ktime_ns;
    body.number(static_cast<std::uint64_t>(warning.reason));
    body.bytes(claim.out());
    for (const std::uint32_t part :
         {std::uint32_t{entry.first_port}, std::uint32_t{entry.last_port}, std::uint32_t{entry.protocol},
          entry.address ? std::uint32_t{entry.address->family} : 0})
        body.number(part);
    body.number(at);
    body.number(entry.owners.size());
    for (const std::uint64_t part : owners) body.number(part);
    body.number(netns);
    body.number(file);
    body.number(entry.line);
    body.bytes(warning.unknown);
    body.bytes(warning.reserved);
    body.number(static_cast<std::uint64_t>(warning.refused_error));
    body.number(warning.refused_ns);
    write(RecordKind::warning, body);
    note_time(warning.ktime_ns);
}

void BlockEncoder::checkpoint(std::int64_t time_ns, std::uint64_t ktime_ns, std::size_t ports, bool complete) {
    set_clock(time_ns, ktime_ns);
    WireWriter body;
    body.difference(ktime_ns, ktime_ns_);
    ktime_ns_ = ktime_ns;
    body.number(ports);
    body.number(complete ? 1 : 0);
    write(RecordKind::holders, body);
    note_time(ktime_ns);
}

void BlockEncoder::held(const HeldPort& port) {
    WireWriter held;
    held.bytes(holder(port.holder).out());
    held.number(port.processes);
    write(RecordKind::held, held);
}

void BlockEncoder::end(const RecordingEnd& end) {
    set_clock(end.time_ns, end.ktime_ns);
    WireWriter body;
    for (const std::uint64_t part : {end.events, end.failures, end.lost, std::uint64_t{end.continues}})
        body.number(part);
    body.difference(end.ktime_ns, ktime_ns_);
    write(RecordKind::end, body);
    note_time(end.ktime_ns);
}

void BlockEncoder::put_socket(WireWriter& to, const bt_sock& sock, const SocketParts& parts) {
    to.number(parts.shape);
    to.difference(sock.cookie, cookie_);
    to.difference(sock.inode, inode_);
    cookie_ = sock.cookie;
    inode_ = sock.inode;
    to.number(parts.cgroup);
    to.number(parts.local);
    to.number(sock.local_port);
    to.number(parts.remote);
    to.number(sock.remote_port);
}

void BlockEncoder::put_event(WireWriter& to, const Event& event, const Context& context) {
    const Shape shape{.kind = event.kind,
                      .flags = event.flags,
                      .op = event.op,
                      .error = event.error,
                      .addr_family = event.addr_family};
    const SocketParts parts = parts_of(event.sock, shape, context.socket_cgroup_path, context.netns_name);
    const std::uint64_t who = task(task_view(event, context)), requested = address(event.addr);
    const std::uint64_t inside = container(context.container);
    to.difference(event.ktime_ns, ktime_ns_);
    ktime_ns_ = event.ktime_ns;
    to.number(who);
    put_socket(to, event.sock, parts);
    to.number(requested);
    to.number(event.port);
    to.number(event.held_ns);
    if (inside != 0) to.number(inside);
}

}  // namespace bindtrace
