// SPDX-License-Identifier: MIT
#include "capture/encoder.h"

#include <algorithm>
#include <cstring>

namespace bindtrace {
namespace {

std::string_view comm_of(const bt_task& task) {
    return {task.comm, strnlen(task.comm, sizeof(task.comm))};
}

// Wraps around, as the decoder's sum does.
std::int64_t minus(std::int64_t one, std::uint64_t other) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(one) - other);
}

std::size_t mixed(std::size_t hash, std::uint64_t value) {
    return (hash ^ value) * 0x9e3779b97f4a7c15 ^ hash >> 29;
}

}  // namespace

std::size_t BlockEncoder::Hash::operator()(const Shape& shape) const {
    std::size_t hash = 0;
    for (const std::uint32_t part :
         {shape.kind, shape.flags, shape.op, static_cast<std::uint32_t>(shape.error), shape.addr_family, shape.family,
          shape.protocol, shape.type, shape.opts, shape.bound_dev, shape.netns, shape.state, shape.old_state})
        hash = mixed(hash, part);
    return hash;
}

std::size_t BlockEncoder::Hash::operator()(const Pair& pair) const {
    return mixed(mixed(0, pair.id), pair.text);
}

void BlockEncoder::clear() {
    records_.clear();
    count_ = 0;
    first_ns_ = last_ns_ = 0;
    clock_ns_.reset();
    ktime_ns_ = cookie_ = inode_ = 0;
    block_ = tasks_.next_block();
    task_count_ = 0;
    strings_.clear();
    kept_.clear();
    cgroups_.clear();
    netns_.clear();
    containers_.clear();
    shapes_.clear();
}

void BlockEncoder::write(RecordKind kind, const WireWriter& body) {
    records_.number(static_cast<std::uint64_t>(kind));
    records_.bytes(body.out());
    ++count_;
}

void BlockEncoder::note_time(std::uint64_t ktime_ns) {
    first_ns_ = first_ns_ == 0 ? ktime_ns : std::min(first_ns_, ktime_ns);
    last_ns_ = std::max(last_ns_, ktime_ns);
}

// --- definitions
// ------------------------------------------------------------------------------------------------------

// A time of day differs from its boot time by the same in all records, until somebody sets the clock.
void BlockEncoder::set_clock(std::int64_t time_ns, std::uint64_t ktime_ns) {
    const std::int64_t offset = minus(time_ns, ktime_ns);
    if (clock_ns_ == offset) return;
    clock_ns_ = offset;
    WireWriter body;
    body.signed_number(offset);
    write(RecordKind::clock, body);
}

std::int64_t BlockEncoder::beside_clock(std::int64_t time_ns, std::uint64_t ktime_ns) const {
    return minus(minus(time_ns, ktime_ns), static_cast<std::uint64_t>(clock_ns_.value_or(0)));
}

std::uint64_t BlockEncoder::string(std::string_view text) {
    if (const auto found = strings_.find(text); found != strings_.end()) return found->second;
    const std::uint64_t number = strings_.size() + 1;
    strings_.emplace(kept_.emplace_back(text), number);
    records_.number(static_cast<std::uint64_t>(RecordKind::string));
    records_.bytes(text);
    ++count_;
    return number;
}

// Without the zeros at its end: so an IPv4 address has four bytes, and a wildcard none.
std::uint64_t BlockEncoder::address(const std::uint8_t* bytes) {
    std::size_t length = 16;
    while (length > 0 && bytes[length - 1] == 0) --length;
    return length == 0 ? 0 : string(std::string_view(reinterpret_cast<const char*>(bytes), length));
}

std::uint64_t BlockEncoder::pair(RecordKind kind, Pairs& known, std::uint64_t id,
                                 std::optional<std::string_view> text) {
    if (id == 0 && !text) return 0;
    const Pair key{.id = id, .text = string_if(text)};
    const auto [found, is_new] = known.try_emplace(key, known.size() + 1);
    if (!is_new) return found->second;
    WireWriter body;
    body.number(key.id);
    body.number(key.text);
    write(kind, body);
    return found->second;
}

std::uint64_t BlockEncoder::task(const TaskView& view) {
    const bt_task& task = view.task;
    static constexpr bt_task kNobody{};
    if (std::memcmp(&task, &kNobody, sizeof(task)) == 0 && !view.start_time_ns) return 0;
    TaskCache::Known& known = tasks_.find(view);
    if (known.block == block_) return known.number;
    const std::uint64_t comm = string(comm_of(task)), user = string_if(view.user);
    const std::uint64_t cgroup = pair(RecordKind::cgroup, cgroups_, task.cgroup_id, view.cgroup_path);
    std::vector<std::uint64_t> process;
    if (view.process != nullptr) {
        process.push_back(string_if(view.process->exe));
        process.push_back(view.process->cmdline ? view.process->cmdline->size() + 1 : 0);
        if (view.process->cmdline)
            for (const std::string& word : *view.process->cmdline) process.push_back(string(word));
        process.push_back(view.process->ancestry.size());
        for (const Ancestor& ancestor : view.process->ancestry) {
            process.push_back(ancestor.pid);
            process.push_back(string(ancestor.comm));
        }
    }
    WireWriter body;
    body.number(task.key.start_ns);
    for (const std::uint64_t part :
         {std::uint64_t{task.key.pid}, std::uint64_t{task.key.exec_id}, cgroup, std::uint64_t{task.tid},
          std::uint64_t{task.ppid}, std::uint64_t{task.uid}, comm, user})
        body.number(part);
    body.number(view.start_time_ns ? 1 : 0);
    if (view.start_time_ns) body.signed_number(beside_clock(*view.start_time_ns, task.key.start_ns));
    body.number(view.process != nullptr ? 1 : 0);
    for (const std::uint64_t part : process) body.number(part);
    write(RecordKind::task, body);
    known.block = block_;
    return known.number = ++task_count_;
}

std::uint64_t BlockEncoder::container(const ContainerFacts* facts) {
    if (facts == nullptr || (!facts->container && !facts->pod)) return 0;
    ContainerParts parts{(facts->container ? 1u : 0u) | (facts->pod ? 2u : 0u)};
    if (const auto& container = facts->container) {
        parts[1] = string(container->runtime);
        parts[2] = string(container->id);
        parts[3] = string_if(container->name);
        parts[4] = string_if(container->image);
    }
    if (const auto& pod = facts->pod) {
        parts[5] = string_if(pod->name_space);
        parts[6] = string_if(pod->name);
        parts[7] = string_if(pod->uid);
        parts[8] = string_if(pod->container);
    }
    const auto [found, is_new] = containers_.try_emplace(parts, containers_.size() + 1);
    if (!is_new) return found->second;
    WireWriter body;
    for (const std::uint64_t part : parts) body.number(part);
    write(RecordKind::container, body);
    return found->second;
}

std::uint64_t BlockEncoder::number_of(const Shape& shape) {
    const auto [found, is_new] = shapes_.try_emplace(shape, shapes_.size() + 1);
    if (!is_new) return found->second;
    WireWriter body;
    for (const std::uint32_t part : {shape.kind, shape.flags, shape.op}) body.number(part);
    body.signed_number(shape.error);
    for (const std::uint32_t part : {shape.addr_family, shape.family, shape.protocol, shape.type, shape.opts,
                                     shape.bound_dev, shape.netns, shape.state, shape.old_state})
        body.number(part);
    write(RecordKind::shape, body);
    return found->second;
}

BlockEncoder::SocketParts BlockEncoder::parts_of(const bt_sock& sock, Shape shape,
                                                 std::optional<std::string_view> cgroup_path,
                                                 std::optional<std::string_view> netns_name) {
    shape.family = sock.family;
    shape.protocol = sock.protocol;
    shape.type = sock.type;
    shape.opts = sock.opts;
    shape.bound_dev = sock.bound_dev;
    shape.netns = static_cast<std::uint32_t>(pair(RecordKind::netns_name, netns_, sock.netns, netns_name));
    shape.state = sock.state;
    shape.old_state = sock.old_state;
    return {.shape = number_of(shape),
            .cgroup = pair(RecordKind::cgroup, cgroups_, sock.cgroup_id, cgroup_path),
            .local = address(sock.local_addr),
            .remote = address(sock.remote_addr)};
}

// --- records
// ----------------------------------------------------------------------------------------------------------

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
    write(RecordKind::warning, body);
    note_time(warning.ktime_ns);
}

void BlockEncoder::checkpoint(const Checkpoint& checkpoint) {
    set_clock(checkpoint.time_ns, checkpoint.ktime_ns);
    WireWriter body;
    body.difference(checkpoint.ktime_ns, ktime_ns_);
    ktime_ns_ = checkpoint.ktime_ns;
    body.number(checkpoint.ports.size());
    body.number(checkpoint.complete ? 1 : 0);
    write(RecordKind::holders, body);
    for (const HeldPort& port : checkpoint.ports) {
        WireWriter held;
        held.bytes(holder(port.holder).out());
        held.number(port.processes);
        write(RecordKind::held, held);
    }
    note_time(checkpoint.ktime_ns);
}

void BlockEncoder::end(const RecordingEnd& end) {
    WireWriter body;
    for (const std::uint64_t part : {end.events, end.failures, end.lost, std::uint64_t{end.continues}})
        body.number(part);
    write(RecordKind::end, body);
}

// --- parts of records
// -------------------------------------------------------------------------------------------------

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

void BlockEncoder::put_findings(WireWriter& to, const Findings& findings) {
    to.bytes(findings.refusal ? refusal(*findings.refusal).out() : std::string_view());
    to.number(findings.holders.size());
    for (const Holder& one : findings.holders) to.bytes(holder(one).out());
    to.bytes(findings.range ? range(*findings.range).out() : std::string_view());
    to.bytes(findings.local_addresses ? addresses(*findings.local_addresses).out() : std::string_view());
}

// Its holders are told with what is known about them, by put_findings().
WireWriter BlockEncoder::refusal(const Refusal& refusal) {
    const SocketParts parts = parts_of(refusal.claimant, {}, std::nullopt, std::nullopt);
    WireWriter body;
    put_socket(body, refusal.claimant, parts);
    for (const std::uint32_t part :
         {refusal.claimant_uid, refusal.in_the_way, refusal.seen, std::uint32_t{refusal.complete},
          std::uint32_t{refusal.ephemeral_first}, std::uint32_t{refusal.ephemeral_last}, refusal.unprivileged_start,
          std::uint32_t{refusal.port_reserved}})
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
    WireWriter body;
    put_socket(body, raw.sock, parts);
    body.number(raw.since_ns);
    body.number(raw.uid);
    body.number(raw.substate);
    body.number((raw.has_claim != 0 ? 1u : 0u) | (raw.explicit_port != 0 ? 2u : 0u) | (raw.of_kernel != 0 ? 4u : 0u) |
                (holder.last_process_exited ? 8u : 0u) | (holder.since_ns ? 16u : 0u));
    body.number(claimant);
    body.number(process);
    body.number(last);
    if (holder.since_ns) body.signed_number(beside_clock(*holder.since_ns, raw.since_ns));
    if (inside != 0 || holder.published) {
        body.number(inside);
        body.bytes(port.out());
    }
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
    return body;
}

}  // namespace bindtrace
