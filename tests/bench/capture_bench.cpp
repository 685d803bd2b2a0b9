// SPDX-License-Identifier: MIT
// What a capture costs: bytes and processor time an event, against the same stream as JSON through zstd and as a
// database; and what a report of it takes, of a million events and of ten: its memory is not to grow.
//
//     capture_bench            a mixed stream that is made up here
//     capture_bench FILE       the events of a capture, again and again until there are as many
//
// What is measured goes into files that have no name, so that nothing is left of a run that is interrupted.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "capture/capture_reader.h"
#include "capture/capture_writer.h"
#include "core/unique_fd.h"
#include "measure.h"
#include "mixed_stream.h"
#include "pipeline/teller.h"
#include "report/gather.h"
#include "report/timeline.h"
#include "sink/json_sink.h"
#include "sink/report_html.h"
#include "sink/sqlite_sink.h"

namespace {

using namespace bindtrace;

constexpr std::size_t kCompared = 1'000'000;  // events, in each of the formats
constexpr std::size_t kReported = 10'000'000;
constexpr std::size_t kSlow = 20'000;  // of the made-up stream: some 10 a second, so that blocks are small
constexpr std::uint64_t kSlower = 2'000;

double seconds_of(const rusage& used) {
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return seconds_of(used);
}

// Blocks into a file in memory, without a name, which is not of the memory of this process.
struct Nameless final : BlockOutput {
    Status write(std::string_view block) override {
        if (::write(fd.get(), block.data(), block.size()) != static_cast<ssize_t>(block.size()))
            return Error{"", errno};
        bytes += block.size();
        const auto header = unpack_header(block);
        if (header && header->kind == BlockKind::events) ++blocks;
        if (header && header->kind != BlockKind::events) bytes_beside += block.size();
        return {};
    }
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd.get()); }

    UniqueFd fd{memfd_create("capture", MFD_CLOEXEC)};
    std::size_t bytes = 0, bytes_beside = 0;  // beside: of heads, checkpoints and the end
    std::size_t blocks = 0;                   // of events
};

// Real events, kept as they were read.
struct Recorded final : Receiver {
    void meta(const Meta&) override {}
    void event(const Event& event, const Context& context, const Findings* findings) override {
        events.push_back({event, owner_of(task_view(event, context)),
                          std::string(context.socket_cgroup_path.value_or("")),
                          std::string(context.netns_name.value_or("")),
                          context.container != nullptr ? std::optional(*context.container) : std::nullopt,
                          findings != nullptr ? std::optional(*findings) : std::nullopt, context.time_ns});
    }
    void loss(const Loss&) override {}
    struct One {
        Event event;
        Owner owner;
        std::string socket_cgroup_path, netns_name;
        std::optional<ContainerFacts> container;
        std::optional<Findings> findings;
        std::int64_t time_ns;
    };
    std::vector<One> events;
};

template <typename Each>
void for_each_event(const Recorded& recorded, std::size_t count, Each each) {
    if (recorded.events.empty()) {
        Stream stream;
        for (std::size_t i = 0; i < count; ++i) {
            stream.next();
            each(stream.event, stream.context, stream.findings);
        }
        return;
    }
    const std::uint64_t span =
        recorded.events.back().event.ktime_ns - recorded.events.front().event.ktime_ns + 1'000'000;
    for (std::size_t i = 0; i < count; ++i) {
        const Recorded::One& one = recorded.events[i % recorded.events.size()];
        const std::uint64_t round = i / recorded.events.size();
        Event event = one.event;
        event.ktime_ns += round * span;
        event.sock.cookie += round * recorded.events.size();
        Context context;
        context.time_ns = one.time_ns + static_cast<std::int64_t>(round * span);
        context.process = one.owner.process ? &*one.owner.process : nullptr;
        context.start_time_ns = one.owner.start_time_ns;
        context.user = one.owner.user;
        context.cgroup_path = one.owner.cgroup_path;
        context.socket_cgroup_path = one.socket_cgroup_path;
        context.netns_name = one.netns_name;
        context.container = one.container ? &*one.container : nullptr;
        context.read_paths();
        each(event, context, one.findings ? &*one.findings : nullptr);
    }
}

// What a format takes for the stream.
struct Cost {
    double bytes = 0;
    double seconds = 0;
};

// As the recorder does: a look each 5 ms, after which a failure is written at once, and a block each second at least.
// slower: so many times.
Cost write_capture(const Recorded& recorded, std::size_t events, Nameless& output, std::uint64_t slower = 1) {
    constexpr std::uint64_t kLookNs = 5'000'000, kTickNs = 1'000'000'000;
    CaptureWriter writer(output);
    const double start = cpu_seconds();
    std::uint64_t begin = 0, next_look = 0, next_tick = 0;
    for_each_event(recorded, events, [&](const Event& told, const Context& told_of, const Findings* findings) {
        Event event = told;
        Context context = told_of;
        if (begin == 0) {
            begin = event.ktime_ns;
            Meta meta;
            meta.time_ns = context.time_ns;
            meta.ktime_ns = begin;
            if (!writer.start(meta, {}, {}, true)) std::exit(1);
        }
        const std::uint64_t later = (event.ktime_ns - begin) * (slower - 1);
        event.ktime_ns += later;
        context.time_ns += static_cast<std::int64_t>(later);
        if (event.ktime_ns >= next_look) {
            next_look = event.ktime_ns + kLookNs;
            static_cast<void>(writer.flush());
        }
        if (event.ktime_ns >= next_tick) {
            next_tick = event.ktime_ns + kTickNs;
            static_cast<void>(writer.tick(context.time_ns, event.ktime_ns));
        }
        writer.event(event, context, findings);
    });
    if (!writer.finish()) std::exit(1);
    return {static_cast<double>(output.bytes), cpu_seconds() - start};
}

Cost write_json(const Recorded& recorded) {
    JsonSink sink;
    std::string lines, packed(ZSTD_compressBound(1 << 20), '\0');
    Cost cost;
    const double start = cpu_seconds();
    ZSTD_CCtx* const zstd = ZSTD_createCCtx();
    const auto pack = [&] {
        cost.bytes +=
            static_cast<double>(ZSTD_compressCCtx(zstd, packed.data(), packed.size(), lines.data(), lines.size(), 3));
        lines.clear();
    };
    Teller teller(sink, lines);
    for_each_event(recorded, kCompared, [&](const Event& event, const Context& context, const Findings* findings) {
        teller.event(event, context, findings);
        if (lines.size() > (1 << 20) - 65536) pack();
    });
    pack();
    ZSTD_freeCCtx(zstd);
    cost.seconds = cpu_seconds() - start;
    return cost;
}

// The schema of export, in one transaction.
Cost write_database(const Recorded& recorded) {
    std::string path = std::filesystem::temp_directory_path() / "capture-bench-XXXXXX";
    const UniqueFd file(mkstemp(path.data()));
    const auto sink = SqliteSink::open(path);
    unlink(path.c_str());
    if (!sink) std::exit(1);
    const double start = cpu_seconds();
    std::string none;
    (*sink)->meta({}, none);
    Teller teller(**sink, none);
    for_each_event(recorded, kCompared, [&](const Event& event, const Context& context, const Findings* findings) {
        teller.event(event, context, findings);
    });
    if (!(*sink)->finish()) std::exit(1);
    struct stat status {};
    fstat(file.get(), &status);
    return {static_cast<double>(status.st_size), cpu_seconds() - start};
}

// In a process of its own: what this one takes for it would count as its children's memory too.
void write_apart(const Recorded& recorded, std::size_t events, Nameless& output) {
    const pid_t child = fork();
    if (child == 0) {
        write_capture(recorded, events, output);
        _exit(0);
    }
    int status = 1;
    if (waitpid(child, &status, 0) != child || status != 0) std::exit(1);
}

// In a process of its own, to see its memory.
void report(const char* name, const Nameless& capture, bool as_page = false) {
    const pid_t child = fork();
    if (child == 0) {
        RecordedFilter filter;
        filter.filter.kinds = ~0u;
        Timeline timeline(filter);
        Gather gather(filter, as_page ? &timeline : nullptr);
        auto reader = CaptureReader::open(capture.path());
        lseek(capture.fd.get(), 0, SEEK_SET);
        if (!reader || !(*reader)->read(gather)) _exit(1);
        const Summary summary = gather.summary();
        std::string page;
        if (as_page) append_report_html(page, summary, timeline.drawing(summary.recordings));
        _exit(summary.recordings.empty() || page.empty() == as_page ? 1 : 0);
    }
    int status = 1;
    rusage used{};
    wait4(child, &status, 0, &used);
    if (status != 0) std::exit(1);
    tell("report", name, "s", {seconds_of(used)});
    tell("report's memory", name, "MiB", {static_cast<double>(used.ru_maxrss) / 1024});
}

}  // namespace

int main(int argc, char** argv) {
    Recorded recorded;
    if (argc > 1) {
        auto reader = CaptureReader::open(argv[1]);
        if (!reader || !(*reader)->read(recorded) || recorded.events.empty()) {
            std::fprintf(stderr, "capture_bench: %s has no events\n", argv[1]);
            return 1;
        }
    }
    Nameless small, large;
    const double start = cpu_seconds();
    std::uint64_t seen = 0;
    for_each_event(recorded, kCompared,
                   [&seen](const Event& event, const Context&, const Findings*) { seen += event.ktime_ns; });
    const double making = cpu_seconds() - start;
    const Cost capture = write_capture(recorded, kCompared, small);
    report("1 million events", small);
    write_apart(recorded, kReported, large);
    report("10 million events", large);
    report("10 million events, --html", large, true);
    const Cost json = write_json(recorded), database = write_database(recorded);
    const std::pair<const char*, Cost> costs[] = {{"capture", capture}, {"JSON | zstd -3", json}, {"SQLite", database}};
    const double events = static_cast<double>(kCompared);
    for (const auto& [name, cost] : costs) tell("bytes an event", name, "B", {cost.bytes / events});
    for (const auto& [name, cost] : costs)
        tell("writing an event", name, "ns", {(cost.seconds - making) / events * 1e9});
    const auto tell_blocks = [](const std::string& rate, const Nameless& output, std::size_t count) {
        const auto of = [&](std::size_t bytes) { return static_cast<double>(bytes) / static_cast<double>(count); };
        tell("a capture " + rate, "bytes an event", "B", {of(output.bytes)});
        tell("a capture " + rate, "of that heads and checkpoints", "B", {of(output.bytes_beside)});
        tell("a capture " + rate, "events in a block", "",
             {static_cast<double>(count) / static_cast<double>(output.blocks)});
    };
    tell_blocks("as it came", small, kCompared);
    if (!recorded.events.empty()) return seen == 0 ? 1 : 0;
    Nameless slow;
    write_capture(recorded, kSlow, slow, kSlower);
    tell_blocks("of 10 events a second", slow, kSlow);
    return seen == 0 ? 1 : 0;
}
