// SPDX-License-Identifier: MIT
#include "cli/record.h"

#include <malloc.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "capture/capture_files.h"
#include "capture/capture_writer.h"
#include "capture/holder_table.h"
#include "cli/child.h"
#include "cli/live.h"
#include "cli/report.h"
#include "core/clock.h"
#include "core/exit_codes.h"
#include "enrich/netns_facts.h"
#include "enrich/netns_names.h"
#include "kernel/port_list.h"
#include "pipeline/live_run.h"
#include "pipeline/teller.h"
#include "sink/output.h"
#include "sink/text_sink.h"

namespace bindtrace {
namespace {

constexpr std::size_t kNetnsKnown = 4096;
constexpr std::int64_t kNetnsRestNs = 50'000'000;  // between two looks into network namespaces

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

Host this_host() {
    Host host{.machine_id = first_line("/etc/machine-id"), .boot_id = first_line("/proc/sys/kernel/random/boot_id")};
    if (getrandom(&host.recording, sizeof(host.recording), 0) != sizeof(host.recording))
        host.recording = static_cast<std::uint64_t>(clock_ns(CLOCK_REALTIME));
    return host;
}

// Into the capture and, of it, failures as text on stderr or everything as JSON on stdout.
class Recorder final : public Receiver, public Destination {
  public:
    Recorder(CaptureFiles& files, int signals, bool json)
        : files_(files),
          writer_(files),
          is_json_(json),
          output_(json ? STDOUT_FILENO : STDERR_FILENO, signals, json ? "stdout" : "stderr"),
          sink_(json ? make_sink(true) : std::make_unique<TextSink>(TextSink::Options{.colour = false})),
          teller_(*sink_, output_.buffer()) {}

    Status start(LiveSource& source, const Meta& meta, const Host& host, const std::vector<HeldPort>& ports,
                 bool complete) {
        source_ = &source;
        if (is_json_) teller_.meta(meta);
        const auto inum = NetnsNames::inum_of("/proc/self/ns/net");
        if (inum) look_into_netns(*inum, static_cast<std::uint32_t>(getpid()), source.enricher().netns_name(*inum));
        return writer_.start(meta, host, ports, complete);
    }

    void meta(const Meta&) override {}
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if ((event.flags & BT_EVENT_HAS_TASK) != 0)
            look_into_netns(event.sock.netns, event.task.tid, context.netns_name);
        writer_.event(event, context, findings);
        if (is_json_ || findings != nullptr) teller_.event(event, context, findings);
    }
    void loss(const Loss& loss) override {
        writer_.loss(loss);
        teller_.loss(loss);
    }

    void warning(const Warning& warning) override {
        writer_.warning(warning);
        teller_.warning(warning);
    }

    Status flush() override {
        Status written = writer_.flush();
        Status told = tell();
        return written ? told : written;
    }
    Status tick() override {
        const auto [time_ns, ktime_ns] = now();
        if (Status written = writer_.tick(time_ns, ktime_ns); !written) return written;
        if (Status found = files_.look_after(); !found) return found;
        return tell();
    }
    Status finish() override {
        const auto [time_ns, ktime_ns] = now();
        writer_.went_on_until(time_ns, ktime_ns);
        Status written = writer_.finish();
        Status told = is_json_ ? output_.finish() : tell();
        if (!is_json_ && output_.has_room()) static_cast<void>(output_.finish());
        return written ? told : written;
    }

    // What is told on stderr beside the capture does not count.
    std::uint64_t lost() override { return std::max(writer_.lost(), is_json_ ? output_.lost() : 0); }

    std::uint64_t bytes() const { return writer_.bytes(); }

  private:
    // UTC, and the boot-time clock.
    std::pair<std::int64_t, std::uint64_t> now() const {
        const auto ktime_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
        return {source_->enricher().utc_ns(ktime_ns), ktime_ns};
    }

    // A recording does not wait for who reads its words on stderr; a stream that somebody asked for is another matter.
    Status tell() {
        if (is_json_ || output_.has_room()) {
            Status told = output_.flush();
            return is_json_ ? told : Status();
        }
        output_.buffer().clear();
        return {};
    }

    // Of each the settings when it was seen first. Not of all of a storm of new ones.
    void look_into_netns(std::uint32_t inum, std::uint32_t tid, std::optional<std::string_view> name) {
        if (inum == 0 || netns_.contains(inum)) return;
        const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
        if (now < next_look_ns_) return;
        next_look_ns_ = now + kNetnsRestNs;
        const auto facts = netns_facts(inum, tid, name ? std::optional<std::string>(*name) : std::nullopt);
        if (!facts) return;
        if (netns_.size() >= kNetnsKnown) netns_.clear();
        netns_.insert(inum);
        writer_.netns(*facts);
    }

    CaptureFiles& files_;
    CaptureWriter writer_;
    bool is_json_;
    Output output_;
    std::unique_ptr<Sink> sink_;
    Teller teller_;
    LiveSource* source_ = nullptr;
    std::unordered_set<std::uint32_t> netns_;
    std::int64_t next_look_ns_ = 0;
};

CapturePlace place_for(const RecordOptions& record) {
    CapturePlace place{.path = record.path};
    if (record.keep_ns != 0) place = keep_for(record.path, record.keep_ns);
    if (record.keep_bytes != 0) place = keep_bytes(record.path, record.keep_bytes);
    if (record.max_bytes != 0) {
        place.file_bytes = record.max_bytes;
        place.earlier_files = record.rotate;
    }
    place.replace = record.force;
    return place;
}

// Connections that a server has accepted say nothing that its listening socket does not, and may be very many.
void leave_out_accepted(std::vector<PortHolder>& holders) {
    const auto place = [](const bt_sock& sock) { return std::uint64_t{sock.netns} << 16 | sock.local_port; };
    std::unordered_set<std::uint64_t> served;
    for (const PortHolder& holder : holders)
        if (holder.socket.sock.state == TCP_LISTEN) served.insert(place(holder.socket.sock));
    std::erase_if(holders, [&](const PortHolder& holder) {
        const bt_sock& sock = holder.socket.sock;
        return sock.remote_port != 0 && sock.type != SOCK_DGRAM && holder.socket.explicit_port == 0 &&
               served.contains(place(sock));
    });
}

// What was held when the recording began, by clients too. What cannot be seen is not fatal: the capture says that it is
// not complete.
std::pair<std::vector<HeldPort>, bool> held_ports(const KernelFacts& facts, Enricher& enricher) {
    Filter all;
    all.ports = {{1, 65535}};  // without ports connections are left out
    auto found = list_ports(facts, all.kernel_config());
    if (!found) {
        spdlog::warn("ports held before the start are not recorded: {}", found.error().what);
        return {{}, false};
    }
    leave_out_accepted(found->holders);
    const bool are_too_many = found->holders.size() > HolderTable::kCapacity;
    if (are_too_many) {
        // (clang 14 cannot compile that of std::ranges)
        std::stable_partition(found->holders.begin(), found->holders.end(),
                              [](const PortHolder& holder) { return holder.socket.sock.remote_port == 0; });
        found->holders.resize(HolderTable::kCapacity);
    }
    std::vector<HeldPort> ports;
    ports.reserve(found->holders.size());
    for (const PortHolder& holder : found->holders)
        ports.push_back(
            {.holder = enricher.holder(holder.socket, holder.socket.task), .processes = holder.users.size()});
    return {std::move(ports), found->complete && !are_too_many};
}

UniqueFd timer(std::uint64_t ns) {
    UniqueFd fd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
    const itimerspec when{.it_interval = {},
                          .it_value = {.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
                                       .tv_nsec = static_cast<long>(ns % 1'000'000'000)}};
    timerfd_settime(fd.get(), 0, &when, nullptr);
    return fd;
}

// Takes a signal that has come: the command's, where there is one. A terminal has sent it to both of us.
bool is_last_signal(int signals, const std::optional<Child>& child) {
    signalfd_siginfo came{};
    if (read(signals, &came, sizeof(came)) != sizeof(came)) return false;
    if (!child) return true;
    if (came.ssi_code != SI_KERNEL) child->forward(static_cast<int>(came.ssi_signo));
    return false;
}

// The command goes on without us: it must not fail because we did.
int wait_for(Child& child, int signals) {
    spdlog::warn("nothing more is recorded; waiting for the command to end");
    const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    for (const int fd : {signals, child.end_fd()}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
    }
    for (;;) {
        epoll_event event{};
        if (epoll_wait(epoll.get(), &event, 1, -1) != 1) continue;
        if (event.data.fd == child.end_fd()) return child.wait();
        signalfd_siginfo came{};
        if (read(signals, &came, sizeof(came)) == sizeof(came) && came.ssi_code != SI_KERNEL)
            child.forward(static_cast<int>(came.ssi_signo));
    }
}

int record(const Options& options, std::optional<Child>& child, int signals) {
    auto files = CaptureFiles::open(place_for(options.record), signals);
    if (!files) return report(files.error(), kExitRuntime);
    int exit_code = kExitFine;
    auto live = go_live(options, exit_code);
    if (!live) return exit_code;

    Recorder recorder(**files, signals, options.json);
    LiveSource source(*live->tracer, live->facts, live->filter, live->registry.get(), recorder);
    const Meta meta = source.start(live->facts, options.filter_text);
    auto [ports, complete] = held_ports(live->facts, source.enricher());
    live->facts.forget_btf();
    std::vector<Watched> watched = {
        {.fd = signals, .events = EPOLLIN, .is_end = [&](std::uint32_t) { return is_last_signal(signals, child); }}};
    const auto ends = [](std::uint32_t) { return true; };
    UniqueFd duration;
    if (options.record.duration_ns != 0) {
        duration = timer(options.record.duration_ns);
        watched.push_back({.fd = duration.get(), .events = EPOLLIN, .is_end = ends});
    }
    if (child) watched.push_back({.fd = child->end_fd(), .events = EPOLLIN, .is_end = ends});
    if (options.record.path == "-" || options.json) watched.push_back(closed_stdout());
    Status status = recorder.start(source, meta, this_host(), ports, complete);
    std::vector<HeldPort>().swap(ports);
    malloc_trim(0);  // loading took ten times the memory that running does
    if (status) status = recorder.flush();
    spdlog::info("recording to {}, strategy {}", options.record.path, meta.strategy);
    if (!status) return report(status.error(), kExitRuntime);  // the command is not run
    if (child) {
        if (Status released = child->release(); !released) {
            report(released.error(), kExitRuntime);
            static_cast<void>(recorder.finish());
            return child->wait();
        }
    }
    status = run_live(*live->tracer, source, recorder, watched);
    int code = end_live(source, recorder.lost(), options);
    spdlog::info("{} bytes written", recorder.bytes());
    if (!status) code = report(status.error(), kExitRuntime);
    if (child) {
        const int command = status ? child->wait() : wait_for(*child, signals);
        if (command != 0) return command;
    }
    return code;
}

}  // namespace

int run_record(const Options& options) {
    if (options.record.path == "-" && isatty(STDOUT_FILENO) != 0)
        return report({"a capture is not for a terminal", 0, "-o FILE, or pipe it somewhere"}, kExitUsage);
    std::signal(SIGXFSZ, SIG_IGN);  // then a file that may not grow is an error of write(), with a message
    std::optional<Child> child;
    if (!options.record.command.empty()) {
        auto forked = Child::fork(options.record.command);
        if (!forked) return report(forked.error(), kExitRuntime);
        child.emplace(std::move(*forked));
    }
    const auto signals = child ? watch_signals({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
                               : watch_signals({SIGINT, SIGTERM, SIGHUP});
    if (!signals) return report(signals.error(), kExitRuntime);
    return record(options, child, signals->get());
}

}  // namespace bindtrace
