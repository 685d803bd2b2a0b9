// SPDX-License-Identifier: MIT
// What it costs to say whose an event is, from warm caches and cold.
#include <benchmark/benchmark.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "crowd.h"
#include "enrich/cgroup_paths.h"
#include "enrich/enricher.h"
#include "enrich/netns_names.h"
#include "enrich/netns_processes.h"
#include "kernel/cgroup_tree.h"
#include "kernel/tracer.h"
#include "measure.h"
#include "model/unit.h"

namespace {

using namespace bindtrace;

const std::string kDockerId = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";
const std::string kUnitPath = "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service";
const std::string kContainerPath = "/system.slice/docker-" + kDockerId + ".scope";

// An event of this process, in the cgroup of that path.
void enrich_event(benchmark::State& state, const std::string& path) {
    bt_process known{};
    known.exe_len = known.argv_len = 4;
    Enricher enricher(
        std::nullopt, 1,
        {.process = [&](const bt_process_key&) { return known; }, .cgroup_path = [&](std::uint64_t) { return path; }});
    Event event{};
    event.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK;
    event.task.key.pid = static_cast<std::uint32_t>(getpid());
    event.task.cgroup_id = event.sock.cgroup_id = 7;
    event.sock.netns = 1;
    for (auto _ : state) benchmark::DoNotOptimize(&enricher.enrich(event));
}
BENCHMARK_CAPTURE(enrich_event, unit, kUnitPath);
BENCHMARK_CAPTURE(enrich_event, container, kContainerPath);

// A network namespace without a name of its own, among a thousand processes: told by who is in it.
struct AmongOthers {
    Crowd others{1000, 0, false}, inside{1, 0, true};
    std::uint32_t host = NetnsNames::inum_of("/proc/self/ns/net").value_or(0), inum = 0;
    Event event{};

    AmongOthers() {
        for (const NetnsProcess& process : netns_processes("/proc", host))
            if (process.ppid == static_cast<std::uint32_t>(getpid())) inum = process.netns;
        event.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK;
        event.task.key.pid = static_cast<std::uint32_t>(getpid());
        event.sock.netns = inum;
    }
};

// By so many processes in turns.
void netns_warm(benchmark::State& state) {
    AmongOthers among;
    if (among.inum == 0) return state.SkipWithError("not as root");
    Enricher enricher(std::nullopt, among.host, {.process = [](const bt_process_key&) { return bt_process{}; }});
    std::uint64_t round = 0;
    for (auto _ : state) {
        among.event.task.key.start_ns = ++round % static_cast<std::uint64_t>(state.range(0));
        benchmark::DoNotOptimize(&enricher.enrich(among.event));
    }
    if (!enricher.context().netns_name) state.SkipWithError("not found");
}
BENCHMARK(netns_warm)->Arg(1)->Arg(8);

std::unique_ptr<Tracer> any_tracer() {
    const KernelFacts facts = KernelFacts::probe();
    for (const Strategy strategy : kStrategies) {
        auto opened = Tracer::open(strategy, facts, {.config = {}, .ring_bytes = 1 << 20, .cgroup = {}});
        if (opened) return std::move(*opened);
    }
    return nullptr;
}

// Not known yet: told by the kernel side. By the first event of all, with all that has to be looked up once, or by one
// that comes later. In processor time, without what it takes to make and forget an Enricher.
void netns_unknown(benchmark::State& state, bool first) {
    AmongOthers among;
    if (among.inum == 0) return state.SkipWithError("not as root");
    const auto tracer = any_tracer();
    if (!tracer) return state.SkipWithError("cannot trace");
    const auto inside = [&](std::uint32_t inum) { return netns_processes(tracer->netns_processes(inum)); };
    Event earlier = among.event;
    earlier.sock.netns = among.host;
    bool found = false;
    for (auto _ : state) {
        Enricher enricher(std::nullopt, among.host,
                          {.process = [](const bt_process_key&) { return bt_process{}; }, .netns_processes = inside});
        if (!first) enricher.enrich(earlier);
        const double begun_ns = thread_ns();
        found = enricher.enrich(among.event).netns_name.has_value();
        state.SetIterationTime((thread_ns() - begun_ns) / 1e9);
    }
    if (!found) state.SkipWithError("not found");
}
BENCHMARK_CAPTURE(netns_unknown, first, true)->UseManualTime();
BENCHMARK_CAPTURE(netns_unknown, cold, false)->UseManualTime();

void place(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(place_of_cgroup(kUnitPath));
}
BENCHMARK(place);

void container_path(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(container_of_cgroup(kContainerPath));
}
BENCHMARK(container_path);

// A cgroup that has not been seen, asked of the kernel; with the opening of the hierarchy, which is done once a run.
void cgroup_path_cold(benchmark::State& state) {
    const auto mount = find_cgroups().cgroup2_mount;
    struct stat status {};
    if (!mount || stat(mount->c_str(), &status) != 0 || !CgroupPaths(*mount).find(status.st_ino))
        return state.SkipWithError("no cgroup v2, or not as root");
    for (auto _ : state) {
        CgroupPaths paths(*mount);
        benchmark::DoNotOptimize(paths.find(status.st_ino));
    }
}
BENCHMARK(cgroup_path_cold);

}  // namespace
