// SPDX-License-Identifier: MIT
#include "cli/trace.h"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "cli/report.h"
#include "core/clock.h"
#include "core/exit_codes.h"
#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "diagnose/range_use.h"
#include "enrich/enricher.h"
#include "enrich/local_addresses.h"
#include "kernel/attach.h"
#include "kernel/port_list.h"
#include "model/names.h"
#include "sink/json_sink.h"
#include "sink/output.h"
#include "sink/text_sink.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kTickNs = 1'000'000'000;  // losses are told at most this late
constexpr std::int64_t kLookNs = 5'000'000;      // while events come, they are looked for this often
constexpr std::size_t kBatch = 128;              // events written at once
constexpr std::int64_t kRestNs = 250'000'000;    // between two looks at all ports
constexpr std::size_t kNetnsLookedAt = 256;
constexpr std::size_t kBatches = 128;  // at most, between two looks at signals

std::unique_ptr<Sink> make_sink(const Options& options) {
    if (options.json) return std::make_unique<JsonSink>();
    return std::make_unique<TextSink>(TextSink::Options{.colour = wants_colour()});
}

std::string host_name() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
}

// Runs the stages over what the tracer delivers, until a signal or the end of stdout.
class Pipeline {
  public:
    Pipeline(Tracer& tracer, const KernelFacts& facts, const Filter& filter, Sink& sink, int signals)
        : tracer_(tracer),
          filter_(filter),
          sink_(sink),
          output_(STDOUT_FILENO, signals),
          enricher_(facts.cgroup2_mount, tracer.host_netns(),
                    {.process = [&tracer](const bt_process_key& key) { return tracer.process(key); },
                     .cgroup_path = [&tracer](std::uint64_t id) { return tracer.cgroup_path(id); },
                     .socket_users = [&tracer](std::span<bt_socket_user> users) { tracer.find_socket_users(users); },
                     .warn = [](const std::string& sentence) { spdlog::warn("{}", sentence); }}),
          diagnosis_({.range = [this](const Event& event, const Refusal& refusal) { return range(event, refusal); },
                      .addresses = [this](const Event& event) { return addresses(event); }}) {}

    Status start(const KernelFacts& facts, const Options& options) {
        tracer_.arm();
        const std::uint64_t now = boot_ns();
        sink_.meta({.time_ns = enricher_.utc_ns(now),
                    .ktime_ns = now,
                    .version = BINDTRACE_VERSION,
                    .host = host_name(),
                    .kernel = facts.release,
                    .strategy = std::string(strategy_name(tracer_.strategy())),
                    .filters = options.filter_text},
                   output_.buffer());
        return output_.flush();
    }

    Status run(int signals) {
        const UniqueFd awake(epoll_create1(EPOLL_CLOEXEC)), asleep(epoll_create1(EPOLL_CLOEXEC));
        for (const int epoll : {awake.get(), asleep.get()}) {
            watch(epoll, signals, EPOLLIN);
            watch(epoll, STDOUT_FILENO, 0);  // only EPOLLERR: the reader has gone; a plain file cannot be watched
        }
        watch(asleep.get(), tracer_.poll_fd(), EPOLLIN);
        std::int64_t next_tick = clock_ns(CLOCK_BOOTTIME) + kTickNs;
        bool sleeping = false, behind = false;
        for (;;) {
            const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
            const std::int64_t until = sleeping ? next_tick : behind ? now : now + kLookNs;
            const std::int64_t wait_ns = std::max<std::int64_t>(0, until - now);
            std::array<epoll_event, 4> events{};
            const int ready =
                epoll_wait(sleeping ? asleep.get() : awake.get(), events.data(), static_cast<int>(events.size()),
                           static_cast<int>((wait_ns + 999'999) / 1'000'000));
            if (ready < 0 && errno != EINTR) return Error{"epoll_wait", errno};
            for (int i = 0; i < ready; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                if (event.data.fd == signals) return finish();
                if (event.data.fd == STDOUT_FILENO && event.events & (EPOLLERR | EPOLLHUP))
                    return Error{"stdout was closed by its reader", EPIPE};
            }
            auto taken = drain();
            if (!taken) return taken.error();
            // Woken for nothing: somebody is still writing a record. Look again in a moment instead of spinning.
            sleeping = *taken == 0 && ready <= 0;
            behind = *taken >= kBatches * kBatch;
            if (sleeping) {
                tracer_.going_to_sleep();
                taken = drain();
                if (!taken) return taken.error();
                sleeping = *taken == 0;
            }
            if (clock_ns(CLOCK_BOOTTIME) >= next_tick) {
                next_tick = clock_ns(CLOCK_BOOTTIME) + kTickNs;
                enricher_.refresh();
                tell_losses();
                if (Status flushed = output_.flush(); !flushed) return flushed;
            }
        }
    }

    std::uint64_t events() const { return events_; }
    std::uint64_t failures() const { return failures_; }
    std::uint64_t lost() const { return lost_; }

  private:
    static std::uint64_t boot_ns() { return static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)); }

    static void watch(int epoll, int fd, std::uint32_t what) {
        epoll_event event{};
        event.events = what;
        event.data.fd = fd;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }

    // All there is, as long as no signal has to be looked at. Returns how many.
    Result<std::size_t> drain() {
        std::size_t total = 0;
        for (std::size_t batch = 0; batch < kBatches; ++batch) {
            const auto taken = tracer_.consume(handler_, kBatch);
            if (!taken) return taken.error();
            if (Status flushed = output_.flush(); !flushed) return flushed.error();
            total += *taken;
            if (*taken < kBatch) break;
        }
        return total;
    }

    Status finish() {
        tracer_.disarm();
        for (;;) {
            const auto taken = drain();
            if (!taken) return taken.error();
            if (*taken == 0) break;
        }
        tell_losses();
        return output_.finish();
    }

    void take(std::span<const std::byte> bytes) {
        const std::optional<Sample> sample = decode(bytes);
        if (!sample) {
            ++undecoded_;
            return;
        }
        const Event& event = sample->event;
        if (!filter_.matches(event, enricher_.enrich(event))) return;
        ++events_;
        if (event.error == 0) return sink_.record({event, enricher_.context()}, output_.buffer());
        ++failures_;
        const Refusal* refusal = sample->refusal ? &*sample->refusal : nullptr;
        std::vector<Holder> holders;
        if (refusal != nullptr) holders = enricher_.holders(*refusal);
        const Context& context = enricher_.enrich(event);  // once more: the holders took its place
        const Conflict conflict = diagnosis_.diagnose(event, context, refusal, std::move(holders));
        sink_.record({event, context, &conflict}, output_.buffer());
    }

    // A look takes as long as thousands of events: so not for each refusal of a storm of them.
    using Looks = std::unordered_map<std::uint32_t, std::int64_t>;  // by netns: not before, boot-time clock
    static bool may_look(Looks& looks, const Event& event) {
        if (looks.size() > kNetnsLookedAt) looks.clear();
        std::int64_t& next = looks[event.sock.netns];
        const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
        if (now < next) return false;
        next = now + kRestNs;
        return true;
    }

    std::optional<std::vector<LocalAddress>> addresses(const Event& event) {
        if (!may_look(addresses_looked_at_, event)) return std::nullopt;
        return local_addresses(event.sock.netns, event.task.tid);
    }

    std::optional<RangeUse> range(const Event& event, const Refusal& refusal) {
        if (!may_look(ranges_looked_at_, event)) return std::nullopt;
        bt_config config{};
        config.has_ports = 1;
        for (std::uint32_t port = refusal.ephemeral_first; port <= refusal.ephemeral_last; ++port)
            config.port_bits[port / 64] |= 1ull << (port % 64);
        const auto ports = list_ports(KernelFacts::probe(), config);
        if (!ports || !ports->complete) return std::nullopt;
        const RangeClaims claims = range_use(event, refusal, ports->holders);
        if (claims.taken == 0) return std::nullopt;  // they have let go meanwhile
        RangeUse use{.taken = claims.taken, .shares = {}};
        for (std::size_t i = 0; i < std::min<std::size_t>(claims.claims.size(), BT_HOLDERS); ++i) {
            const RangeClaim& claim = claims.claims[i];
            RangeShare& share = use.shares.emplace_back();
            share.ports = claim.ports;
            if (claim.protocol != IPPROTO_UDP && claim.protocol != IPPROTO_UDPLITE)
                share.state = tcp_state_name(claim.state);
            if (claim.task.key.pid != 0) share.owner = enricher_.owner(claim.task);
        }
        enricher_.enrich(event);  // once more: the owners took its place
        return use;
    }

    void tell_losses() {
        const Counters now = tracer_.counters();
        tell_loss(LossReason::ring_full, now.ring_full);
        tell_loss(LossReason::map_full, now.map_full);
        tell_loss(LossReason::recursion, now.recursion);
        tell_loss(LossReason::kretprobe_missed, now.kretprobe_missed);
        tell_loss(LossReason::decode, undecoded_);
    }

    void tell_loss(LossReason reason, std::uint64_t total) {
        std::uint64_t& told = told_[static_cast<std::size_t>(reason)];
        if (total <= told) return;
        const std::uint64_t now = boot_ns();
        sink_.loss({.time_ns = enricher_.utc_ns(now), .ktime_ns = now, .reason = reason, .count = total - told},
                   output_.buffer());
        lost_ += total - told;
        told = total;
    }

    Tracer& tracer_;
    const Filter& filter_;
    Sink& sink_;
    Output output_;
    Enricher enricher_;
    Diagnosis diagnosis_;
    Looks ranges_looked_at_, addresses_looked_at_;
    const Tracer::Handler handler_ = [this](std::span<const std::byte> bytes) { take(bytes); };
    std::array<std::uint64_t, 5> told_{};  // by LossReason
    std::uint64_t events_ = 0, failures_ = 0, lost_ = 0, undecoded_ = 0;
};

}  // namespace

int run_trace(const Options& options) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    const UniqueFd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC));
    if (!signal_fd.valid()) return report({"signalfd", errno}, kExitRuntime);

    KernelFacts facts = KernelFacts::probe();
    const auto filter = resolve(options.filter, facts.cgroup2_mount);
    if (!filter) return report(filter.error(), kExitUsage);
    TracerOptions tracer_options{.config = filter->kernel_config(), .ring_bytes = options.ring_mib << 20, .cgroup = {}};
    if (filter->parent_cgroup) {
        tracer_options.cgroup = UniqueFd(open(filter->parent_cgroup->c_str(), O_DIRECTORY | O_CLOEXEC));
        if (!tracer_options.cgroup.valid())
            return report({"--cgroup: cannot open " + *filter->parent_cgroup, errno}, kExitUsage);
    }

    auto tracer = attach(strategy_from_name(options.attach), facts, tracer_options);
    if (!tracer) return report(tracer.error(), kExitRuntime);
    facts.forget_btf();
    malloc_trim(0);  // loading took ten times the memory that running does
    // Ahead of what it watches, so that a burst does not fill the ring buffer while we wait for a turn.
    if (setpriority(PRIO_PROCESS, 0, -20) != 0) spdlog::debug("cannot raise the priority: {}", std::strerror(errno));

    const std::unique_ptr<Sink> sink = make_sink(options);
    Pipeline pipeline(**tracer, facts, *filter, *sink, signal_fd.get());
    Status status = pipeline.start(facts, options);
    if (status) status = pipeline.run(signal_fd.get());
    spdlog::info("{} events, {} of them failures, {} lost", pipeline.events(), pipeline.failures(), pipeline.lost());
    if (!status) return report(status.error(), kExitRuntime);
    return options.fail_on_loss && pipeline.lost() > 0 ? kExitIncomplete : kExitFine;
}

}  // namespace bindtrace
