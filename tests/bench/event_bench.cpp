// SPDX-License-Identifier: MIT
// What an event costs between the ring buffer and a sink, and what a capture of it does. `calibration` only computes:
// the others are compared between machines, and between days, as multiples of it.
#include <benchmark/benchmark.h>
#include <netinet/tcp.h>

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "capture/capture_reader.h"
#include "capture/capture_writer.h"
#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "known_record.h"
#include "model/receiver.h"

namespace {

using namespace bindtrace;

void calibration(benchmark::State& state) {
    std::uint64_t value = 88172645463325252;
    for (auto _ : state) {
        for (int i = 0; i < 1000; ++i) {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
        }
        benchmark::DoNotOptimize(value);
    }
}
BENCHMARK(calibration);

void decode_event(benchmark::State& state) {
    const KnownRecord known;
    for (auto _ : state) benchmark::DoNotOptimize(decode(std::as_bytes(std::span(&known.event, 1))));
}
BENCHMARK(decode_event);

// One holder, a listener, of another unit.
void diagnose_failure(benchmark::State& state) {
    KnownRecord known;
    Findings findings;
    findings.refusal.emplace();
    Holder& holder = findings.holders.emplace_back();
    holder.raw.sock = known.event.sock;
    holder.raw.sock.state = TCP_LISTEN;
    Owner& owner = holder.process.emplace();
    owner.task = known.event.task;
    owner.process = known.process;
    owner.cgroup_path = "/system.slice/old.service";
    Diagnosis diagnosis;
    for (auto _ : state) {
        known.advance();
        benchmark::DoNotOptimize(diagnosis.diagnose(known.event, known.context, findings));
    }
}
BENCHMARK(diagnose_failure);

struct Memory final : BlockOutput {
    Status write(std::string_view block) override {
        bytes += block;
        return {};
    }
    std::string bytes;
};

void write_events(Memory& memory, std::int64_t count) {
    KnownRecord known;
    CaptureWriter writer(memory);
    static_cast<void>(writer.start({}, {}, {}, true));
    for (std::int64_t i = 0; i < count; ++i) {
        known.advance();
        ++known.event.sock.cookie;
        writer.event(known.event, known.context, nullptr);
    }
    static_cast<void>(writer.finish());
}

void capture_write(benchmark::State& state) {
    for (auto _ : state) {
        Memory memory;
        write_events(memory, state.range(0));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(capture_write)->ArgName("events")->Arg(10'000);

struct Count final : Receiver {
    void meta(const Meta&) override {}
    void event(const Event&, const Context&, const Findings*) override { ++events; }
    void loss(const Loss&) override {}
    std::int64_t events = 0;
};

void capture_read(benchmark::State& state) {
    Memory memory;
    write_events(memory, state.range(0));
    for (auto _ : state) {
        Count count;
        if (!CaptureReader::of(memory.bytes)->read(count) || count.events != state.range(0))
            return state.SkipWithError("not all of it was read");
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(capture_read)->ArgName("events")->Arg(10'000);

}  // namespace
