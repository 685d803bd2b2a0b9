// SPDX-License-Identifier: MIT
// What a capture costs: bytes an event, processor time an event to write and to read, against JSON through zstd.
//
//     capture_bench            a mixed stream that is made up here
//     capture_bench FILE       the events of a capture, again and again until there are as many
//
// The stream is what a busy host does: many short connections by a few clients, servers that bind and listen, processes
// that are new each time, and a failure now and then.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <zstd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "capture/capture_reader.h"
#include "capture/capture_writer.h"
#include "pipeline/teller.h"
#include "report/gather.h"
#include "sink/json_sink.h"
#include "sink/report_html.h"

namespace {

using namespace bindtrace;

constexpr std::size_t kEvents = 2'000'000;
constexpr std::size_t kPerSecond = 20'000;  // a block is written each second at least

double cpu_seconds() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

long memory_mib() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return used.ru_maxrss / 1024;
}

struct Memory final : BlockOutput {
    Status write(std::string_view block) override {
        bytes += block;
        return {};
    }
    std::string bytes;
};

struct Count final : Receiver {
    void meta(const Meta&) override {}
    void event(const Event& event, const Context& context, const Findings*) override {
        ++events;
        sum += event.ktime_ns + event.sock.local_port + (context.cgroup_path ? context.cgroup_path->size() : 0);
    }
    void loss(const Loss&) override {}
    std::uint64_t events = 0, sum = 0;
};

class Stream {
  public:
    // The next event, into event and context.
    void next() {
        const std::uint64_t choice = random_() % 100;
        time_ += 20'000 + random_() % 60'000;
        if (choice < 4 || open_.empty())
            server();
        else if (choice < 48)
            client();
        else
            release();
        event.ktime_ns = time_;
        context.time_ns = 1'795'000'000'000'000'000 + static_cast<std::int64_t>(time_);
    }

    Event event{};
    Context context;
    Process process;

  private:
    struct Open {
        Event event;
        bool is_new_process = false;
    };

    void task(std::uint32_t pid, const char* comm, std::uint64_t cgroup) {
        event = {};
        event.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
        event.task = {.key = {40'000'000'000 + pid * 1'000'003ull, pid, 1},
                      .cgroup_id = cgroup,
                      .tid = pid,
                      .ppid = 1,
                      .uid = 998,
                      .pad = 0,
                      .comm = {}};
        std::strncpy(event.task.comm, comm, sizeof(event.task.comm) - 1);
        event.sock.cookie = ++cookie_;
        event.sock.inode = inode_ += 1 + random_() % 3;
        event.sock.cgroup_id = cgroup;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.netns = 4026531840;
        describe();
    }
    void describe() {
        process.exe = std::string("/usr/bin/") + event.task.comm;
        process.cmdline = {{event.task.comm, "--config", "/etc/app/config.yaml"}};
        process.ancestry = {{1, "systemd"}};
        path_ = "/system.slice/" + std::string(event.task.comm) + ".service";
        context.process = &process;
        context.start_time_ns = 1'795'000'000'000'000'000 + static_cast<std::int64_t>(event.task.key.start_ns);
        context.user = "app";
        context.cgroup_path = context.socket_cgroup_path = path_;
        context.netns_name = "host";
    }
    void client() {
        static constexpr const char* kClients[] = {"java", "nginx", "envoy", "node", "python3"};
        const auto which = static_cast<std::uint32_t>(random_() % 6);
        if (which == 5)  // a new process each time
            task(100'000 + ++new_pid_, "curl", 900);
        else
            task(1000 + which * 7, kClients[which], 800 + which);
        event.kind = BT_KIND_AUTOBIND;
        event.op = BT_OP_CONNECT;
        event.flags |= BT_EVENT_EPHEMERAL;
        event.sock.local_port = static_cast<std::uint16_t>(32768 + random_() % 28232);
        event.sock.remote_port = random_() % 3 == 0 ? 443 : 5432;
        const std::uint8_t host = static_cast<std::uint8_t>(random_() % 40);
        const std::uint8_t mine[] = {10, 0, 0, 5}, theirs[] = {10, 0, 1, host};
        std::memcpy(event.sock.local_addr, mine, 4);
        std::memcpy(event.sock.remote_addr, theirs, 4);
        event.sock.state = TCP_SYN_SENT;
        open_.push_back({event});
    }
    void server() {
        task(2000 + static_cast<std::uint32_t>(random_() % 8), "server", 700);
        event.kind = BT_KIND_BIND;
        event.op = BT_OP_BIND;
        event.flags |= BT_EVENT_HAS_REQUEST;
        event.addr_family = AF_INET;
        event.port = event.sock.local_port = static_cast<std::uint16_t>(8000 + random_() % 50);
        event.sock.opts = BT_OPT_REUSEADDR;
        event.sock.state = TCP_CLOSE;
        open_.push_back({event});
    }
    void release() {
        const std::size_t which = random_() % 4 != 0
                                      ? open_.size() - 1 - random_() % std::min<std::size_t>(open_.size(), 8)
                                      : random_() % open_.size();
        std::swap(open_[which], open_.back());
        event = open_.back().event;
        open_.pop_back();
        event.held_ns = time_ - event.ktime_ns;
        event.kind = BT_KIND_RELEASE;
        event.op = BT_OP_CLOSE;
        event.flags |= BT_EVENT_HAS_HELD;
        event.sock.state = TCP_CLOSE;
        describe();
    }

    std::mt19937_64 random_{42};
    std::vector<Open> open_;
    std::string path_;
    std::uint64_t time_ = 86'400'000'000'000, cookie_ = 20'000, inode_ = 900'000;
    std::uint32_t new_pid_ = 0;
};

// Real events, kept as they were read.
struct Recorded final : Receiver {
    void meta(const Meta&) override {}
    void event(const Event& event, const Context& context, const Findings*) override {
        events.push_back({event, owner_of(task_view(event, context)),
                          std::string(context.socket_cgroup_path.value_or("")),
                          std::string(context.netns_name.value_or("")), context.time_ns});
    }
    void loss(const Loss&) override {}
    struct One {
        Event event;
        Owner owner;
        std::string socket_cgroup_path, netns_name;
        std::int64_t time_ns;
    };
    std::vector<One> events;
};

template <typename Each>
void for_each_event(const Recorded& recorded, Each each) {
    if (recorded.events.empty()) {
        Stream stream;
        for (std::size_t i = 0; i < kEvents; ++i) {
            stream.next();
            each(stream.event, stream.context);
        }
        return;
    }
    const std::uint64_t span =
        recorded.events.back().event.ktime_ns - recorded.events.front().event.ktime_ns + 1'000'000;
    for (std::size_t i = 0; i < kEvents; ++i) {
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
        context.read_paths();
        each(event, context);
    }
}

void tell(const char* what, double value, const char* unit) {
    std::printf("%-44s %10.3f %s\n", what, value, unit);
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
    const double events = static_cast<double>(kEvents);
    double start = cpu_seconds();
    std::uint64_t seen = 0;
    for_each_event(recorded, [&seen](const Event& event, const Context&) { seen += event.ktime_ns; });
    const double making = cpu_seconds() - start;

    Memory memory;
    CaptureWriter writer(memory);
    if (!writer.start({}, {}, {}, true)) return 1;
    start = cpu_seconds();
    std::size_t count = 0;
    for_each_event(recorded, [&](const Event& event, const Context& context) {
        writer.event(event, context, nullptr);
        if (++count % kPerSecond == 0) static_cast<void>(writer.tick(context.time_ns, event.ktime_ns));
    });
    static_cast<void>(writer.finish());
    const double writing = cpu_seconds() - start - making;
    tell("capture: bytes an event", static_cast<double>(memory.bytes.size()) / events, "");
    tell("capture: processor time to write an event", writing / events * 1e9, "ns");
    tell("memory until here, with the capture in it", static_cast<double>(memory_mib()), "MiB");

    auto reader = CaptureReader::of(memory.bytes);
    Count counted;
    start = cpu_seconds();
    if (!reader->read(counted) || counted.events != kEvents) return 1;
    tell("capture: 10 million events read", (cpu_seconds() - start) / events * 1e7, "s");

    RecordedFilter filter;
    filter.filter.kinds = ~0u;
    Gather gather(filter);
    gather.begin_of(0);
    start = cpu_seconds();
    if (!CaptureReader::of(memory.bytes)->read(gather)) return 1;
    tell("report: 10 million events", (cpu_seconds() - start) / events * 1e7, "s");

    Timeline timeline(filter);
    Gather drawn(filter, &timeline);
    drawn.begin_of(0);
    std::string page;
    start = cpu_seconds();
    if (!CaptureReader::of(std::move(memory.bytes))->read(drawn)) return 1;
    const Summary summary = drawn.summary();
    append_report_html(page, summary, timeline.drawing(summary.recordings));
    tell("report --html: 10 million events", (cpu_seconds() - start) / events * 1e7, "s");
    tell("report --html: size of the page", static_cast<double>(page.size()) / 1e6, "MB");

    JsonSink sink;
    std::string line, packed(ZSTD_compressBound(1 << 20), '\0');
    double json_bytes = 0, packed_bytes = 0;
    start = cpu_seconds();
    ZSTD_CCtx* const zstd = ZSTD_createCCtx();
    const auto pack = [&] {
        json_bytes += static_cast<double>(line.size());
        packed_bytes +=
            static_cast<double>(ZSTD_compressCCtx(zstd, packed.data(), packed.size(), line.data(), line.size(), 3));
        line.clear();
    };
    for_each_event(recorded, [&](const Event& event, const Context& context) {
        sink.record({event, context}, line);
        if (line.size() > (1 << 20) - 65536) pack();
    });
    pack();
    ZSTD_freeCCtx(zstd);
    tell("JSON: bytes an event", json_bytes / events, "");
    tell("JSON | zstd -3: bytes an event", packed_bytes / events, "");
    tell("JSON | zstd -3: processor time an event", (cpu_seconds() - start - making) / events * 1e9, "ns");
    return seen == 0 ? 1 : 0;
}
