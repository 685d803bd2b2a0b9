// SPDX-License-Identifier: MIT
#include "capture/decoder.h"

#include <algorithm>
#include <cstring>

#include "model/names.h"

namespace bindtrace {
namespace {

constexpr std::size_t kHeldAtOnce = 4096;  // for which room is made on a number's word

// A part with a length of its own; empty = it is not there.
template <typename Take>
void nested(WireReader& body, Take take) {
    const std::string_view bytes = body.bytes();
    if (bytes.empty()) return;
    WireReader part(bytes);
    take(part);
    if (part.failed()) body.fail();
}

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

template <typename Number>
Number narrow(WireReader& body) {
    return static_cast<Number>(body.number());
}

}  // namespace

void BlockDecoder::forget() {
    budget_ = kBudget;
    clock_ns_ = 0;
    ktime_ns_ = cookie_ = inode_ = 0;
    strings_.clear();
    cgroups_.clear();
    netns_.clear();
    tasks_.clear();
    containers_.clear();
    shapes_.clear();
    checkpoint_.reset();
}

void BlockDecoder::decode(std::string_view records, std::uint64_t recording, Receiver& receiver) {
    forget();
    WireReader reader(records);
    while (!reader.at_end()) {
        const auto kind = static_cast<RecordKind>(std::min<std::uint64_t>(reader.number(), 0xff));
        WireReader body(reader.bytes());
        if (reader.failed()) ++skipped_.malformed;
        if (reader.failed()) break;
        if (!take(kind, body, recording, receiver))
            ++skipped_.unknown;
        else if (body.failed())
            ++skipped_.malformed;
    }
    if (checkpoint_) receiver.checkpoint(*checkpoint_);
}

// False where the kind is not known.
bool BlockDecoder::take(RecordKind kind, WireReader& body, std::uint64_t recording, Receiver& receiver) {
    switch (kind) {
        case RecordKind::string:
            break;  // below: its bytes are the record
        case RecordKind::cgroup:
        case RecordKind::netns_name: {
            Named defined{.id = body.number(), .text = {}};
            defined.text = string(body);
            (kind == RecordKind::cgroup ? cgroups_ : netns_).push_back(defined);
            return true;
        }
        case RecordKind::container:
            define_container(body);
            return true;
        case RecordKind::task:
            define_task(body);
            return true;
        case RecordKind::shape:
            define_shape(body);
            return true;
        case RecordKind::clock:
            clock_ns_ = body.signed_number();
            return true;
        case RecordKind::meta:
            take_meta(body, receiver);
            return true;
        case RecordKind::host: {
            Host host{.recording = recording, .machine_id = {}, .boot_id = {}};
            host.machine_id = body.bytes();
            host.boot_id = body.bytes();
            if (!body.failed()) receiver.host(host);
            return true;
        }
        case RecordKind::netns:
            take_netns(body, receiver);
            return true;
        case RecordKind::holders:
            begin_checkpoint(body);
            return true;
        case RecordKind::held:
            take_held(body);
            return true;
        case RecordKind::event: {
            Event told{};
            Context context;
            event(body, told, context);
            if (!body.failed()) receiver.event(told, context, nullptr);
            return true;
        }
        case RecordKind::failure:
            take_failure(body, receiver);
            return true;
        case RecordKind::loss:
            take_loss(body, receiver);
            return true;
        case RecordKind::warning:
            take_warning(body, receiver);
            return true;
        case RecordKind::end: {
            RecordingEnd end{.events = body.number(), .failures = 0, .lost = 0};
            end.failures = body.number();
            end.lost = body.number();
            end.continues = body.number() != 0;
            if (!body.failed()) receiver.end(end);
            return true;
        }
        default:
            return false;
    }
    strings_.push_back(body.rest());
    return true;
}

// --- definitions
// ------------------------------------------------------------------------------------------------------

// One that makes no sense takes its number all the same, so that those after it keep theirs.
void BlockDecoder::define_task(WireReader& body) {
    Owner& owner = tasks_.emplace_back();
    spend(body, sizeof(owner));
    bt_task& task = owner.task;
    task.key.start_ns = body.number();
    task.key.pid = narrow<std::uint32_t>(body);
    task.key.exec_id = narrow<std::uint32_t>(body);
    const Named cgroup = named(body, cgroups_);
    task.cgroup_id = cgroup.id;
    if (cgroup.text) spend(body, cgroup.text->size());
    if (body.failed()) return;
    owner.cgroup_path = cgroup.text;
    task.tid = narrow<std::uint32_t>(body);
    task.ppid = narrow<std::uint32_t>(body);
    task.uid = narrow<std::uint32_t>(body);
    const std::string_view comm = string(body).value_or("");
    comm.copy(task.comm, sizeof(task.comm) - 1);
    owner.user = copied(body);
    if (body.number() != 0) owner.start_time_ns = utc(task.key.start_ns, body.signed_number());
    if (body.number() == 0) return;
    Process& process = owner.process.emplace();
    process.exe = copied(body);
    if (const std::size_t words = body.count(); words != 0) {
        process.cmdline.emplace();
        for (std::size_t i = 1; i < words && !body.failed(); ++i) process.cmdline->push_back(copied(body).value_or(""));
    }
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        Ancestor& ancestor = process.ancestry.emplace_back();
        ancestor.pid = narrow<std::uint32_t>(body);
        ancestor.comm = copied(body).value_or("");
    }
}

void BlockDecoder::define_container(WireReader& body) {
    ContainerFacts& facts = containers_.emplace_back();
    spend(body, sizeof(facts));
    const std::uint64_t bits = body.number();
    Container container{.runtime = copied(body).value_or(""), .id = copied(body).value_or(""), .name = {}, .image = {}};
    container.name = copied(body);
    container.image = copied(body);
    Pod pod{.name_space = copied(body), .name = {}, .uid = {}, .container = {}};
    pod.name = copied(body);
    pod.uid = copied(body);
    pod.container = copied(body);
    if ((bits & 1) != 0) facts.container = std::move(container);
    if ((bits & 2) != 0) facts.pod = std::move(pod);
}

void BlockDecoder::define_shape(WireReader& body) {
    Shape& shape = shapes_.emplace_back();
    shape.kind = narrow<std::uint32_t>(body);
    shape.flags = narrow<std::uint32_t>(body);
    shape.op = narrow<std::uint32_t>(body);
    shape.error = static_cast<std::int32_t>(body.signed_number());
    shape.addr_family = narrow<std::uint16_t>(body);
    bt_sock& sock = shape.sock;
    sock.family = narrow<std::uint16_t>(body);
    sock.protocol = narrow<std::uint16_t>(body);
    sock.type = narrow<std::uint16_t>(body);
    sock.opts = narrow<std::uint32_t>(body);
    sock.bound_dev = narrow<std::uint32_t>(body);
    const Named netns = named(body, netns_);
    sock.netns = static_cast<std::uint32_t>(netns.id);
    shape.netns_name = netns.text;
    sock.state = narrow<std::uint8_t>(body);
    sock.old_state = narrow<std::uint8_t>(body);
}

// --- records
// ----------------------------------------------------------------------------------------------------------

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
    nested(body, [&](WireReader& part) { netns.addresses = addresses(part); });
    if (!body.failed()) receiver.netns(netns);
}

void BlockDecoder::take_failure(WireReader& body, Receiver& receiver) {
    Event told{};
    Context context;
    nested(body, [&](WireReader& part) { event(part, told, context); });
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
    nested(body, [&](WireReader& part) { warning.claim = holder(part); });
    warning.entry = port_entry(body);
    warning.unknown = body.bytes();
    warning.reserved = body.bytes();
    budget_ = budget;  // it is gone in a moment
    if (!body.failed()) receiver.warning(warning);
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
    nested(body, [&](WireReader& part) { port.holder = holder(part); });
    port.processes = body.number();
    if (!checkpoint_) body.fail();
    spend(body, sizeof(HeldPort));
    if (!body.failed()) checkpoint_->ports.push_back(std::move(port));
}

// --- parts of records
// -------------------------------------------------------------------------------------------------

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

std::optional<Owner> BlockDecoder::owner(WireReader& body) {
    const Owner* const found = task(body);
    if (found == nullptr) return std::nullopt;
    spend(body, sizeof(Holder) + size_of(*found));
    return body.failed() ? std::nullopt : std::optional(*found);
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
    sock.local_port = narrow<std::uint16_t>(body);
    address(body, sock.remote_addr);
    sock.remote_port = narrow<std::uint16_t>(body);
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
    event.port = narrow<std::uint16_t>(body);
    event.held_ns = body.number();
    context.container = container(body);
    context.read_paths();
    if (kind_name(event.kind).empty() || event.error < 0) body.fail();
}

Findings BlockDecoder::findings(WireReader& body) {
    Findings found;
    nested(body, [&](WireReader& part) { found.refusal = refusal(part); });
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left)
        nested(body, [&](WireReader& part) { found.holders.push_back(holder(part)); });
    if (found.refusal)
        for (const Holder& one : found.holders) found.refusal->holders.push_back(one.raw);
    nested(body, [&](WireReader& part) { found.range = range(part); });
    nested(body, [&](WireReader& part) { found.local_addresses = addresses(part); });
    return found;
}

Refusal BlockDecoder::refusal(WireReader& body) {
    Refusal refusal;
    std::optional<std::string_view> nowhere;
    socket(body, refusal.claimant, nowhere);
    refusal.claimant_uid = narrow<std::uint32_t>(body);
    refusal.in_the_way = narrow<std::uint32_t>(body);
    refusal.seen = narrow<std::uint32_t>(body);
    refusal.complete = body.number() != 0;
    refusal.ephemeral_first = narrow<std::uint16_t>(body);
    refusal.ephemeral_last = narrow<std::uint16_t>(body);
    refusal.unprivileged_start = narrow<std::uint32_t>(body);
    refusal.port_reserved = body.number() != 0;
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
    raw.uid = narrow<std::uint32_t>(body);
    raw.substate = narrow<std::uint8_t>(body);
    const std::uint64_t bits = body.number();
    raw.has_claim = (bits & 1) != 0;
    raw.explicit_port = (bits & 2) != 0;
    raw.of_kernel = (bits & 4) != 0;
    holder.last_process_exited = (bits & 8) != 0;
    if (const Owner* const claimant = task(body)) raw.task = claimant->task;
    holder.process = owner(body);
    holder.last_process = owner(body);
    if ((bits & 16) != 0) holder.since_ns = utc(raw.since_ns, body.signed_number());
    if (const ContainerFacts* const inside = container(body)) {
        spend(body, size_of(*inside));
        if (!body.failed()) holder.container = *inside;
    }
    nested(body, [&](WireReader& part) { holder.published = published(part); });
    return holder;
}

Published BlockDecoder::published(WireReader& body) {
    Published published{.host_port = narrow<std::uint16_t>(body)};
    if (const auto port = narrow<std::uint16_t>(body); port != 0) published.container_port = port;
    published.container_address = copied(body);
    published.container_gone = body.number() != 0;
    published.runtime = copied(body).value_or("");
    return published;
}

PortEntry BlockDecoder::port_entry(WireReader& body) {
    PortEntry entry;
    entry.first_port = narrow<std::uint16_t>(body);
    entry.last_port = narrow<std::uint16_t>(body);
    entry.protocol = narrow<std::uint16_t>(body);
    bt_sock place{};
    place.family = narrow<std::uint16_t>(body);
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
    entry.line = narrow<std::uint32_t>(body);
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
    return use;
}

std::vector<LocalAddress> BlockDecoder::addresses(WireReader& body) {
    std::vector<LocalAddress> list;
    for (std::size_t left = body.count(); left != 0 && !body.failed(); --left) {
        LocalAddress& local = list.emplace_back();
        local.interface = copied(body).value_or("");
        local.family = narrow<std::uint16_t>(body);
        address(body, local.address.data());
    }
    return list;
}

}  // namespace bindtrace
