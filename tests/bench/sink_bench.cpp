// SPDX-License-Identifier: MIT
// What one record costs to print.
#include <benchmark/benchmark.h>

#include <string>

#include "known_record.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using namespace bindtrace;

void print_records(benchmark::State& state, Sink& sink) {
    KnownRecord sample;
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
