// SPDX-License-Identifier: MIT
// What goes into a capture comes out of it.
#include <gtest/gtest.h>

#include "capture_samples.h"

namespace bindtrace {
namespace {

template <typename Value>
std::string bytes_of(const Value& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

void expect_same(const std::optional<Process>& one, const std::optional<Process>& other) {
    ASSERT_EQ(one.has_value(), other.has_value());
    if (!one) return;
    EXPECT_EQ(one->exe, other->exe);
    EXPECT_EQ(one->cmdline, other->cmdline);
    ASSERT_EQ(one->ancestry.size(), other->ancestry.size());
    for (std::size_t i = 0; i < one->ancestry.size(); ++i) {
        EXPECT_EQ(one->ancestry[i].pid, other->ancestry[i].pid);
        EXPECT_EQ(one->ancestry[i].comm, other->ancestry[i].comm);
    }
}

void expect_same(const std::optional<Owner>& one, const std::optional<Owner>& other) {
    ASSERT_EQ(one.has_value(), other.has_value());
    if (!one) return;
    EXPECT_EQ(bytes_of(one->task), bytes_of(other->task));
    expect_same(one->process, other->process);
    EXPECT_EQ(one->start_time_ns, other->start_time_ns);
    EXPECT_EQ(one->user, other->user);
    EXPECT_EQ(one->cgroup_path, other->cgroup_path);
}

void expect_same(const Holder& one, const Holder& other) {
    EXPECT_EQ(bytes_of(one.raw), bytes_of(other.raw));
    EXPECT_EQ(one.since_ns, other.since_ns);
    EXPECT_EQ(one.socket_cgroup_path, other.socket_cgroup_path);
    EXPECT_EQ(one.netns_name, other.netns_name);
    expect_same(one.process, other.process);
    expect_same(one.last_process, other.last_process);
    EXPECT_EQ(one.last_process_exited, other.last_process_exited);
    EXPECT_EQ(one.processes, other.processes);
    EXPECT_EQ(one.serves_itself, other.serves_itself);
    ASSERT_EQ(one.others.size(), other.others.size());
    for (std::size_t i = 0; i < one.others.size(); ++i)
        expect_same(std::optional(one.others[i]), std::optional(other.others[i]));
}

void expect_same(const Findings& one, const Findings& other) {
    ASSERT_EQ(one.refusal.has_value(), other.refusal.has_value());
    if (one.refusal) {
        const Refusal &mine = *one.refusal, &theirs = *other.refusal;
        EXPECT_EQ(bytes_of(mine.claimant), bytes_of(theirs.claimant));
        EXPECT_EQ(mine.claimant_uid, theirs.claimant_uid);
        EXPECT_EQ(mine.in_the_way, theirs.in_the_way);
        EXPECT_EQ(mine.seen, theirs.seen);
        EXPECT_EQ(mine.complete, theirs.complete);
        EXPECT_EQ(mine.ephemeral_first, theirs.ephemeral_first);
        EXPECT_EQ(mine.ephemeral_last, theirs.ephemeral_last);
        EXPECT_EQ(mine.unprivileged_start, theirs.unprivileged_start);
        EXPECT_EQ(mine.port_reserved, theirs.port_reserved);
        EXPECT_EQ(mine.may_take_low_ports, theirs.may_take_low_ports);
        EXPECT_EQ(mine.common_opts, theirs.common_opts);
        EXPECT_EQ(mine.own_first, theirs.own_first);
        EXPECT_EQ(mine.own_last, theirs.own_last);
        EXPECT_EQ(mine.holders.size(), theirs.holders.size());
    }
    ASSERT_EQ(one.holders.size(), other.holders.size());
    for (std::size_t i = 0; i < one.holders.size(); ++i) expect_same(one.holders[i], other.holders[i]);
    ASSERT_EQ(one.range.has_value(), other.range.has_value());
    if (one.range) {
        EXPECT_EQ(one.range->taken, other.range->taken);
        EXPECT_EQ(one.range->reserved, other.range->reserved);
        ASSERT_EQ(one.range->shares.size(), other.range->shares.size());
        for (std::size_t i = 0; i < one.range->shares.size(); ++i) {
            EXPECT_EQ(one.range->shares[i].ports, other.range->shares[i].ports);
            EXPECT_EQ(one.range->shares[i].state, other.range->shares[i].state);
            expect_same(one.range->shares[i].owner, other.range->shares[i].owner);
        }
    }
    EXPECT_EQ(one.to_reserve, other.to_reserve);
    ASSERT_EQ(one.local_addresses.has_value(), other.local_addresses.has_value());
    if (!one.local_addresses) return;
    ASSERT_EQ(one.local_addresses->size(), other.local_addresses->size());
    for (std::size_t i = 0; i < one.local_addresses->size(); ++i) {
        EXPECT_EQ((*one.local_addresses)[i].interface, (*other.local_addresses)[i].interface);
        EXPECT_EQ((*one.local_addresses)[i].family, (*other.local_addresses)[i].family);
        EXPECT_EQ((*one.local_addresses)[i].address, (*other.local_addresses)[i].address);
        EXPECT_EQ((*one.local_addresses)[i].index, (*other.local_addresses)[i].index);
        EXPECT_EQ((*one.local_addresses)[i].vrf, (*other.local_addresses)[i].vrf);
        EXPECT_EQ((*one.local_addresses)[i].vrf_name, (*other.local_addresses)[i].vrf_name);
    }
}

// Compares the one event of a block with what it was made of.
class ExpectEvent final : public Receiver {
  public:
    ExpectEvent(const Event& event, const Context& context, const Findings* findings)
        : event_(event), context_(context), findings_(findings) {}
    void meta(const Meta&) override {}
    void loss(const Loss&) override {}
    void event(const Event& event, const Context& context, const Findings* findings) override {
        ++count;
        EXPECT_EQ(bytes_of(event), bytes_of(event_));
        EXPECT_EQ(context.time_ns, context_.time_ns);
        EXPECT_EQ(context.start_time_ns, context_.start_time_ns);
        EXPECT_EQ(context.user, context_.user);
        EXPECT_EQ(context.cgroup_path, context_.cgroup_path);
        EXPECT_EQ(context.socket_cgroup_path, context_.socket_cgroup_path);
        EXPECT_EQ(context.netns_name, context_.netns_name);
        const auto copy = [](const Process* process) {
            return process != nullptr ? std::optional(*process) : std::nullopt;
        };
        expect_same(copy(context.process), copy(context_.process));
        ASSERT_EQ(findings != nullptr, findings_ != nullptr);
        if (findings != nullptr) expect_same(*findings, *findings_);
    }
    int count = 0;

  private:
    const Event& event_;
    const Context& context_;
    const Findings* findings_;
};

void expect_comes_back(const Event& event, const Context& context, const Findings* findings = nullptr) {
    TaskCache tasks;
    BlockEncoder encoder(tasks);
    encoder.event(event, context, findings);
    BlockDecoder decoder;
    ExpectEvent expected(event, context, findings);
    decode_all(decoder, encoder.records(), expected);
    EXPECT_EQ(expected.count, 1);
    EXPECT_EQ(decoder.skipped().malformed + decoder.skipped().unknown, 0u);
}

TEST(Capture, KeepsEveryFieldOfAnEvent) {
    for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_LISTEN, BT_KIND_AUTOBIND, BT_KIND_STATE, BT_KIND_RELEASE}) {
        const Sampled sample(kind);
        expect_comes_back(sample.event, sample.context);
    }
}

TEST(Capture, KeepsWhatIsNotKnownUnknown) {
    Event event{};
    event.kind = BT_KIND_RELEASE;
    Context context;
    expect_comes_back(event, context);
    Sampled sample(BT_KIND_BIND);
    context.time_ns = sample.context.time_ns;
    sample.context = context;
    expect_comes_back(sample.event, sample.context);
    sample.process = {};
    sample.context.process = &sample.process;
    expect_comes_back(sample.event, sample.context);
    sample.process.cmdline.emplace();
    sample.process.exe = "";
    sample.context.start_time_ns = 0;
    sample.context.user = "";
    sample.context.cgroup_path = "";
    expect_comes_back(sample.event, sample.context);
}

// As JSON tells it, which has every field of it.
void expect_comes_back(const Warning& warning) {
    TaskCache tasks;
    BlockEncoder encoder(tasks);
    encoder.warning(warning);
    Heard written, read;
    written.warning(warning);
    BlockDecoder decoder;
    decode_all(decoder, encoder.records(), read);
    EXPECT_EQ(read.text, written.text);
    EXPECT_FALSE(read.text.empty());
    EXPECT_EQ(decoder.skipped().malformed + decoder.skipped().unknown, 0u);
}

TEST(Capture, KeepsEveryFieldOfAWarning) {
    Warning warning = sampled_warning();
    expect_comes_back(warning);
    warning.reason = WarningReason::ephemeral;  // its words have what is to be reserved
    expect_comes_back(warning);
    expect_comes_back(sampled_service_without_port());
    warning.reason = WarningReason::unknown_owner;
    warning.entry.address.reset();
    warning.entry.netns.reset();
    warning.entry.owners.clear();
    warning.reserved.clear();
    warning.claim.process.reset();
    expect_comes_back(warning);
}

TEST(Capture, KeepsExtremes) {
    Sampled sample(BT_KIND_BIND);
    std::memset(static_cast<void*>(&sample.event.sock), 0xff, sizeof(sample.event.sock));
    sample.event.ktime_ns = sample.event.held_ns = ~0ull;
    sample.event.error = 0x7fffffff;
    sample.event.port = sample.event.addr_family = 0xffff;
    sample.event.flags = sample.event.op = ~0u;
    sample.event.task.key = {~0ull, ~0u, ~0u};
    sample.event.task.cgroup_id = ~0ull;
    sample.event.task.tid = sample.event.task.ppid = sample.event.task.uid = ~0u;
    sample.context.time_ns = INT64_MIN;
    sample.process.exe = std::string(300'000, 'x');
    expect_comes_back(sample.event, sample.context);
}

TEST(Capture, KeepsAllThatWasFoundOut) {
    Sampled sample(BT_KIND_BIND);
    sample.event.error = EADDRINUSE;
    Findings found = sampled_findings();
    expect_comes_back(sample.event, sample.context, &found);
    found.local_addresses->clear();
    found.range->shares.clear();
    found.range->reserved.reset();
    found.holders.clear();
    found.refusal->holders.clear();
    expect_comes_back(sample.event, sample.context, &found);
    found = {};
    expect_comes_back(sample.event, sample.context, &found);
}

// Over several blocks, with a clock that is set, processes that exec and processes that rename themselves.
TEST(Capture, TellsTheSameAsLive) {
    Heard live, later;
    MemoryOutput output;
    CaptureWriter writer(output);
    const Meta meta = sampled_meta();
    live.meta(meta);
    ASSERT_TRUE(writer.start(meta, sampled_host(), {}, true));
    const Findings found = sampled_findings();
    for (std::uint64_t i = 0; i < 300; ++i) {
        Sampled sample(i % 3 == 0 ? BT_KIND_AUTOBIND : BT_KIND_BIND, i % 40);
        sample.event.ktime_ns = kBegin + i * 1000 - (i % 7) * 300;
        sample.context.time_ns = kUtcOffset + static_cast<std::int64_t>(sample.event.ktime_ns) + (i > 150 ? 777 : 0);
        if (i % 11 == 0) sample.process.cmdline = {{"renamed", std::to_string(i)}};
        if (i % 5 == 0) sample.event.error = EADDRINUSE;
        const Findings* const findings = sample.event.error != 0 ? &found : nullptr;
        for (Receiver* receiver : {static_cast<Receiver*>(&live), static_cast<Receiver*>(&writer)})
            receiver->event(sample.event, sample.context, findings);
        if (i % 20 == 0) {
            ASSERT_TRUE(writer.flush());
        }
        if (i % 90 == 0) {
            const Loss loss{.time_ns = sample.context.time_ns,
                            .ktime_ns = sample.event.ktime_ns,
                            .reason = LossReason::map_full,
                            .count = i + 1};
            live.loss(loss);
            writer.loss(loss);
        }
    }
    ASSERT_TRUE(writer.finish());
    const auto read = CaptureReader::of(output.bytes)->read(later);
    ASSERT_TRUE(read) << read.error().what;
    EXPECT_TRUE(read->complete());
    EXPECT_GT(read->blocks, 10u);
    EXPECT_EQ(later.text, live.text);
    ASSERT_EQ(later.ends.size(), 1u);
    EXPECT_EQ(later.ends[0].events, 300u);
    EXPECT_EQ(later.ends[0].failures, 60u);
    ASSERT_EQ(later.hosts.size(), 1u);
    EXPECT_EQ(later.hosts[0].machine_id, "0123abcd");
    EXPECT_EQ(later.hosts[0].boot_id, "feed");
    EXPECT_EQ(later.hosts[0].recording, sampled_host().recording);
}

TEST(Capture, TellsWhenItEnded) {
    MemoryOutput output;
    CaptureWriter writer(output);
    ASSERT_TRUE(writer.start(sampled_meta(), sampled_host(), {}, true));
    writer.went_on_until(sampled_meta().time_ns + 8, kBegin + 8);
    writer.went_on_until(sampled_meta().time_ns + 7, kBegin + 7);  // told late
    ASSERT_TRUE(writer.finish());
    Heard heard;
    ASSERT_TRUE(CaptureReader::of(output.bytes)->read(heard));
    ASSERT_EQ(heard.ends.size(), 1u);
    EXPECT_EQ(heard.ends[0].time_ns, sampled_meta().time_ns + 8);
    EXPECT_EQ(heard.ends[0].ktime_ns, kBegin + 8);
}

// As the first captures had it.
TEST(Capture, TakesAnEndWithoutATime) {
    BlockDecoder decoder;
    Heard heard;
    decode_all(decoder, {"\x30\x04\x05\x02\x01\x01", 6}, heard);
    EXPECT_EQ(decoder.skipped().malformed, 0u);
    ASSERT_EQ(heard.ends.size(), 1u);
    EXPECT_EQ(heard.ends[0].events, 5u);
    EXPECT_EQ(heard.ends[0].lost, 1u);
    EXPECT_TRUE(heard.ends[0].continues);
    EXPECT_EQ(heard.ends[0].time_ns, 0);
}

TEST(Capture, KeepsSettingsOfNetworkNamespaces) {
    MemoryOutput output;
    CaptureWriter writer(output);
    ASSERT_TRUE(writer.start(sampled_meta(), sampled_host(), {}, true));
    const NetnsFacts facts{.inum = 4026531840,
                           .name = "web",
                           .sysctls = {{"net.ipv4.ip_local_port_range", "1\t2"}, {"x", kHostile}},
                           .addresses = sampled_findings().local_addresses};
    writer.netns(facts);
    ASSERT_TRUE(writer.finish());
    Heard heard;
    ASSERT_TRUE(CaptureReader::of(output.bytes)->read(heard));
    ASSERT_EQ(heard.netns_seen.size(), 1u);
    EXPECT_EQ(heard.netns_seen[0].inum, facts.inum);
    EXPECT_EQ(heard.netns_seen[0].name, facts.name);
    EXPECT_EQ(heard.netns_seen[0].sysctls, facts.sysctls);
    EXPECT_EQ(heard.netns_seen[0].addresses->front().interface, "lo");
}

TEST(Capture, CheckpointsTellWhoHoldsWhat) {
    MemoryOutput output;
    CaptureWriter writer(output);
    const auto without_others = [](Holder holder) {  // which are looked up at a failure alone
        holder.others.clear();
        holder.processes = 0;
        holder.serves_itself = false;
        return holder;
    };
    Holder before = without_others(sampled_holder(1));
    before.raw.sock.cookie = 0;
    Holder gone = without_others(sampled_holder(2));
    gone.raw.sock.cookie = 0;
    ASSERT_TRUE(writer.start(sampled_meta(), sampled_host(), {{before, 2}, {gone, 1}}, true));
    Sampled claimed(BT_KIND_BIND, 3), passing(BT_KIND_AUTOBIND, 4);
    for (const Sampled* sample : {&claimed, &passing}) writer.event(sample->event, sample->context, nullptr);
    Event listens = claimed.event;
    listens.kind = BT_KIND_LISTEN;
    listens.sock.state = TCP_LISTEN;
    writer.event(listens, claimed.context, nullptr);
    passing.event.kind = BT_KIND_RELEASE;
    writer.event(passing.event, passing.context, nullptr);
    Event released = passing.event;
    released.sock = gone.raw.sock;
    released.sock.cookie = 5;
    writer.event(released, passing.context, nullptr);
    ASSERT_TRUE(writer.tick(kUtcOffset, kBegin + 3'600'000'000'000));
    ASSERT_TRUE(writer.finish());

    Heard heard;
    const auto read = CaptureReader::of(output.bytes)->read(heard, [](const BlockHeader& header) {
        return header.kind == BlockKind::checkpoint ? CaptureReader::Choice::read : CaptureReader::Choice::skip;
    });
    ASSERT_TRUE(read);
    EXPECT_EQ(heard.events, 0u);
    ASSERT_EQ(heard.checkpoints.size(), 2u);
    ASSERT_EQ(heard.checkpoints[0].ports.size(), 2u);
    EXPECT_EQ(heard.checkpoints[0].ports[0].processes, 2u);
    expect_same(heard.checkpoints[0].ports[0].holder, before);
    const Checkpoint& last = heard.checkpoints[1];
    EXPECT_TRUE(last.complete);
    EXPECT_EQ(last.ktime_ns, kBegin + 3'600'000'000'000);
    ASSERT_EQ(last.ports.size(), 2u);
    expect_same(last.ports[0].holder, before);
    const Holder& holder = last.ports[1].holder;
    EXPECT_EQ(holder.raw.sock.cookie, claimed.event.sock.cookie);
    EXPECT_EQ(holder.raw.sock.state, TCP_LISTEN);
    EXPECT_EQ(holder.raw.since_ns, claimed.event.ktime_ns);
    EXPECT_EQ(holder.since_ns, claimed.context.time_ns);
    expect_same(holder.process, claimed.owner());
}

}  // namespace
}  // namespace bindtrace
