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

}  // namespace bindtrace
