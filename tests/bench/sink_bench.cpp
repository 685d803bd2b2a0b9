// SPDX-License-Identifier: MIT
// What one record costs to print, with everything known about it: the usual case for a bind by a service.
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using namespace bindtrace;

struct Sample {
    Event event{};
    Context context;
    Process process;

    Sample() {
        event.ktime_ns = 86'400'123'456'789;
        event.port = 8080;
        event.addr_family = AF_INET;
        event.kind = BT_KIND_BIND;
        event.flags = BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
        event.op = BT_OP_BIND;
        event.error = EADDRINUSE;
        event.task.key = {86'000'000'000'000, 18422, 2};
        event.task.cgroup_id = 7311;
        event.task.tid = 18431;
        event.task.ppid = 1;
        event.task.uid = 998;
        std::strcpy(event.task.comm, "myapp");
        event.sock.cookie = 20481;
        event.sock.inode = 912345;
        event.sock.cgroup_id = 7311;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.netns = 4026531840;
        event.sock.state = 7;
        context.time_ns = 1'795'294'388'123'456'789;
        context.process = &process;
        context.start_time_ns = 1'795'293'988'000'000'000;
        context.user = "myapp";
        context.cgroup_path = "/system.slice/myapp.service";
        context.socket_cgroup_path = "/system.slice/myapp.service";
        context.netns_name = "host";
        process.exe = "/opt/myapp/bin/myapp";
        process.cmdline = {"/opt/myapp/bin/myapp", "--config", "/etc/myapp/config.yaml", "--listen", "0.0.0.0:8080"};
        process.ancestry = {{812, "supervisord"}, {1, "systemd"}};
    }

    // Another record of the same burst: a later time, now and then in the next second.
    void advance() {
        event.ktime_ns += 1'234'567;
        context.time_ns += 1'234'567;
    }
};

void print_records(benchmark::State& state, Sink& sink) {
    Sample sample;
    std::string out;
    std::size_t bytes = 0;
    for (auto _ : state) {
        out.clear();
        sample.advance();
        sink.record({sample.event, sample.context}, out);
        benchmark::DoNotOptimize(out.data());
        bytes += out.size();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
    state.counters["bytes/record"] = static_cast<double>(out.size());
}

void json_record(benchmark::State& state) {
    JsonSink sink;
    print_records(state, sink);
}
BENCHMARK(json_record);

void text_record(benchmark::State& state) {
    TextSink sink({.colour = state.range(0) != 0});
    print_records(state, sink);
}
BENCHMARK(text_record)->ArgName("colour")->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();
