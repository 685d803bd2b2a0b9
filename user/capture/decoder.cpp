// SPDX-License-Identifier: MIT
#include "capture/decoder.h"

#include <algorithm>

namespace bindtrace {

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

void BlockDecoder::begin(std::string_view records, std::uint64_t recording) {
    forget();
    records_ = WireReader(records);
    recording_ = recording;
}

bool BlockDecoder::next(Receiver& receiver) {
    if (records_.at_end() && !checkpoint_) return false;
    receiver.begin_of(recording_);
    if (records_.at_end()) {
        receiver.checkpoint(*checkpoint_);
        checkpoint_.reset();
        return true;
    }
    const auto kind = static_cast<RecordKind>(std::min<std::uint64_t>(records_.number(), 0xff));
    WireReader body(records_.bytes());
    const bool is_whole = !records_.failed(), is_known = is_whole && take(kind, body, receiver);
    if (!is_whole || (is_known && body.failed()))
        ++skipped_.malformed;
    else if (!is_known)
        ++skipped_.unknown;
    return true;
}

// False where the kind is not known.
bool BlockDecoder::take(RecordKind kind, WireReader& body, Receiver& receiver) {
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
            Host host{.recording = recording_, .machine_id = {}, .boot_id = {}};
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
        case RecordKind::end:
            take_end(body, receiver);
            return true;
        default:
            return false;
    }
    strings_.push_back(body.rest());
    return true;
}

// One that makes no sense takes its number all the same, so that those after it keep theirs.
void BlockDecoder::define_task(WireReader& body) {
    Owner& owner = tasks_.emplace_back();
    spend(body, sizeof(owner));
    bt_task& task = owner.task;
    task.key.start_ns = body.number();
    task.key.pid = body.narrow<std::uint32_t>();
    task.key.exec_id = body.narrow<std::uint32_t>();
    const Named cgroup = named(body, cgroups_);
    task.cgroup_id = cgroup.id;
    if (cgroup.text) spend(body, cgroup.text->size());
    if (body.failed()) return;
    owner.cgroup_path = cgroup.text;
    task.tid = body.narrow<std::uint32_t>();
    task.ppid = body.narrow<std::uint32_t>();
    task.uid = body.narrow<std::uint32_t>();
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
        ancestor.pid = body.narrow<std::uint32_t>();
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
    shape.kind = body.narrow<std::uint32_t>();
    shape.flags = body.narrow<std::uint32_t>();
    shape.op = body.narrow<std::uint32_t>();
    shape.error = static_cast<std::int32_t>(body.signed_number());
    shape.addr_family = body.narrow<std::uint16_t>();
    bt_sock& sock = shape.sock;
    sock.family = body.narrow<std::uint16_t>();
    sock.protocol = body.narrow<std::uint16_t>();
    sock.type = body.narrow<std::uint16_t>();
    sock.opts = body.narrow<std::uint32_t>();
    sock.bound_dev = body.narrow<std::uint32_t>();
    const Named netns = named(body, netns_);
    sock.netns = static_cast<std::uint32_t>(netns.id);
    shape.netns_name = netns.text;
    sock.state = body.narrow<std::uint8_t>();
    sock.old_state = body.narrow<std::uint8_t>();
}

}  // namespace bindtrace
