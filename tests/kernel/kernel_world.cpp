// SPDX-License-Identifier: MIT
#include "kernel_world.h"

#include <arpa/inet.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "kernel_bpf_objects.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

std::string from_env(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

// What a kernel may honestly lack. Anything else that provoke gives as a reason is a failure, and so is this on one of
// Debian's that has it.
struct AcceptableSkip {
    std::string_view cases;  // begin with this
    std::string_view reason;
    bool (*debian_lacks)(int version);  // 612: Linux 6.12
};
constexpr bool has(int) {
    return false;
}
constexpr AcceptableSkip kAcceptableSkips[] = {
    {"mptcp-", "the kernel has no mptcp", [](int version) { return version < 515; }},
    {"sctp", "the kernel has no sctp", has},
    {"udplite", "the kernel has no udplite", [](int version) { return version >= 700; }},
    {"io-uring-bind-", "the kernel has no IORING_OP_BIND", [](int version) { return version < 611; }},
    {"io-uring-", "the kernel has no io_uring", has},
    {"io-uring-", "io_uring is switched off", has},
    {"cgroup-", "no cgroup2 mount", has},
    {"cgroup-", "the kernel has no cgroup BPF", has},
    {"cgroup-", "the kernel has no bpf_set_retval", [](int version) { return version < 518; }},
    {"landlock-", "the kernel has no Landlock for ports", [](int version) { return version < 607; }},
    {"conflict-exhausted-own-range", "the kernel has no IP_LOCAL_PORT_RANGE",
     [](int version) { return version < 601; }},
    {"landlock-", "the kernel has no Landlock for UDP ports", [](int version) { return version < 702; }},
    {"compat-", "the kernel has no 32-bit calls", has},
    {"connect-enomem-", "its memory is not to be used up",
     [](int) { return std::getenv("BT_EXHAUST_MEMORY") == nullptr; }},
};

// Of the kernels that tools/guest boots; nothing elsewhere, where a kernel may be without anything.
std::optional<int> debian_version() {
    utsname name{};
    uname(&name);
    int major = 0, minor = 0;
    if (std::strstr(name.release, "-cloud-") == nullptr || std::sscanf(name.release, "%d.%d", &major, &minor) != 2)
        return std::nullopt;
    return major * 100 + minor;
}

// The keys of every event, whatever it is about.
constexpr std::array<const char*, 20> kEventKeys = {"v",          "type",        "time",   "ktime_ns", "op",
                                                    "proto",      "family",      "addr",   "port",     "local_addr",
                                                    "local_port", "remote_addr", "result", "errno",    "ephemeral",
                                                    "sockopt",    "socket",      "netns",  "process",  "cgroup"};

bool is_event(const Json& record) {
    const std::string type = word_of(record, "type");
    return type != "meta" && type != "loss";
}

// A UDP socket bound to an address of 127/8 that nobody else uses.
class Marker {
  public:
    explicit Marker(int number)
        : addr_("127.77." + std::to_string(number / 250) + "." + std::to_string(number % 250 + 1)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(kPort);
        ::inet_pton(AF_INET, addr_.c_str(), &at.sin_addr);
        fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0)
            throw std::runtime_error("cannot bind " + addr_);
    }
    ~Marker() { ::close(fd_); }
    Marker(const Marker&) = delete;
    Marker& operator=(const Marker&) = delete;

    bool is(const Json& record) const {
        return word_of(record, "type") == "bind" && record["addr"] == addr_ && record["port"] == kPort;
    }

  private:
    static constexpr std::uint16_t kPort = 7777;
    std::string addr_;
    int fd_;
};

// What comes late or not at all may be the emulator's doing; what is told twice is not.
bool is_final(const testing::TestPartResultArray& parts) {
    for (int i = 0; i < parts.size(); ++i)
        if (std::strstr(parts.GetTestPartResult(i).message(), kExtraMark) != nullptr) return true;
    return false;
}

}  // namespace

Settings Settings::from_environment(const std::string& own_path) {
    const std::string here = own_path.substr(0, own_path.rfind('/') + 1);
    Settings settings;
    settings.bindtrace = from_env("BINDTRACE", here + "bindtrace");
    settings.provoke = from_env("PROVOKE", here + "provoke");
    settings.strategy = from_env("BT_STRATEGY", "tracepoint");
    settings.dump = from_env("BT_DUMP", "");
    settings.second_chance = !from_env("BT_SECOND_CHANCE", "").empty();
    settings.slow = from_env("BT_SLOW", "0") == "1";
    settings.short_lived = std::atoi(from_env("BT_SHORT_LIVED", "1000").c_str());
    settings.deadline = std::chrono::seconds(std::atoi(from_env("BT_DEADLINE", "20").c_str()));
    return settings;
}

bool may_skip(const std::string& name, const std::string& reason) {
    const auto version = debian_version();
    return std::ranges::any_of(kAcceptableSkips, [&](const AcceptableSkip& it) {
        return name.starts_with(it.cases) && reason == it.reason && (!version || it.debian_lacks(*version));
    });
}

World::~World() {
    for (auto& [name, slow] : slow_) slow.thread.join();
}

void World::SetUp() {
    if (!settings_.dump.empty()) dump_.open(settings_.dump, std::ios::trunc);
    tracer_ = std::make_unique<Tracer>(settings_.bindtrace, settings_.strategy);
    ASSERT_TRUE(take_meta());
    for (const CaseName& it : cases_) {
        if (!it.slow || !settings_.slow) continue;
        SlowRun& slow = slow_[it.name];
        slow.first_record = tracer_->count();
        slow.run = std::make_unique<CaseRun>(settings_.provoke, std::vector{it.name});
        slow.thread = std::thread(
            [this, &slow] { slow.succeeded = slow.run->read([this] { catch_up(); }) && slow.run->finish(10s); });
    }
}

bool World::take_meta() {
    std::size_t next = 0;
    Json meta;
    const auto first = [&](const Json& record) {
        meta = record;
        return true;
    };
    if (!tracer_->follow(next, first, Tracer::Clock::now() + 120s)) {
        const bool ended = tracer_->ended();
        tracer_->stop(5s);
        ADD_FAILURE() << settings_.bindtrace << (ended ? " ended" : " said nothing for two minutes") << ":\n"
                      << (ended ? tracer_->errors() : "");
        return false;
    }
    EXPECT_EQ(word_of(meta, "type"), "meta") << meta;
    strategy_ = word_of(meta, "strategy");
    if (settings_.strategy == "auto") {
        EXPECT_TRUE(strategy_ == "fentry" || strategy_ == "kprobe" || strategy_ == "tracepoint") << meta;
    } else {
        EXPECT_EQ(strategy_, settings_.strategy) << meta;
    }
    testing::Test::RecordProperty("strategy", strategy_);
    return true;
}

void World::stop_tracing() {
    const std::unique_ptr<Tracer> tracer = std::exchange(tracer_, nullptr);
    if (!tracer) return;
    const bool alive = !tracer->ended();
    EXPECT_TRUE(alive) << "bindtrace ended before it was asked to";
    const std::set<BpfObject> held = bpf_objects_of(tracer->pid());
    EXPECT_GT(held.size(), 1u) << "it has no programs and maps of the kernel's";
    const auto code = tracer->stop(20s);
    ASSERT_TRUE(code.has_value()) << "bindtrace does not end on SIGTERM";
    EXPECT_EQ(*code, 0) << tracer->errors();
    const auto deadline = Tracer::Clock::now() + 20s;
    for (const BpfObject& object : held) EXPECT_TRUE(is_gone(object, deadline)) << object.kind << " " << object.id;
}

void World::check(const std::vector<std::string>& words) {
    ASSERT_TRUE(tracer_ && !strategy_.empty());
    if (settings_.second_chance) {
        testing::TestPartResultArray parts;
        bool passed = false;
        {
            const testing::ScopedFakeTestPartResultReporter reporter(
                testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &parts);
            passed = attempt(words);
        }
        if (passed && parts.size() == 0) return;
        if (passed && parts.GetTestPartResult(0).skipped()) GTEST_SKIP() << parts.GetTestPartResult(0).message();
        if (is_final(parts)) {
            for (int i = 0; i < parts.size(); ++i) ADD_FAILURE() << parts.GetTestPartResult(i).message();
            return;
        }
        std::cout << "[ AGAIN    ] " << words.front() << std::endl;
        for (int i = 0; i < parts.size(); ++i) std::cout << parts.GetTestPartResult(i).message() << std::endl;
    }
    if (!attempt(words) && !testing::Test::HasFailure()) ADD_FAILURE() << "it failed and did not say why";
}

// False where it failed.
bool World::attempt(const std::vector<std::string>& words) {
    const std::size_t first = tracer_->count();
    CaseRun run(settings_.provoke, words);
    if (!run_succeeded(run, run.read([this] { catch_up(); }))) return false;
    if (!run.skipped().empty()) {
        const bool may = may_skip(words.front(), run.skipped());
        EXPECT_TRUE(may) << "not a reason to skip: " << run.skipped();
        if (may) [&run] { GTEST_SKIP() << run.skipped(); }();
        return may;
    }
    Matcher matcher(run.expected(), strategy_);
    if (!settle(run, matcher, first)) return false;
    dump(words.front(), matcher);
    return true;
}

bool World::run_succeeded(const CaseRun& run, bool succeeded) {
    EXPECT_TRUE(succeeded) << run.failure();
    return succeeded;
}

bool World::catch_up() {
    std::size_t next = tracer_->count();
    return catch_up_from(next, [](const Json&) {});
}

bool World::catch_up(const CaseRun& run, Matcher& matcher, std::size_t& next) {
    return catch_up_from(next, [&](const Json& record) {
        if (run.concerns(record)) matcher.add(record);
    });
}

bool World::catch_up_from(std::size_t& next, const std::function<void(const Json&)>& take) {
    const Marker marker(markers_++);
    const auto look = [&](const Json& record) {
        if (marker.is(record)) return true;
        take(record);
        return false;
    };
    const bool reached = tracer_->follow(next, look, Tracer::Clock::now() + settings_.deadline);
    EXPECT_TRUE(reached) << (tracer_->ended() ? "bindtrace has ended" : "bindtrace does not report what happens now");
    return reached;
}

bool World::settle(CaseRun& run, Matcher& matcher, std::size_t next) {
    if (run.lingers() && !catch_up(run, matcher, next)) return false;
    if (!run_succeeded(run, run.finish(10s)) || !catch_up(run, matcher, next)) return false;
    // What the end of the process and of its network namespace brings may take its time.
    if (matcher.prompt_complete() && !matcher.complete()) {
        const auto look = [&](const Json& record) {
            if (run.concerns(record)) matcher.add(record);
            return matcher.complete();
        };
        tracer_->follow(next, look, Tracer::Clock::now() + settings_.deadline);
        catch_up(run, matcher, next);
    }
    const std::string report = matcher.report();
    EXPECT_TRUE(report.empty()) << "strategy " << strategy_ << report;
    return report.empty();
}

void World::check_slow(const std::string& name) {
    const auto found = slow_.find(name);
    if (found == slow_.end()) GTEST_SKIP() << "slow; BT_SLOW is not set";
    SlowRun& slow = found->second;
    slow.thread.join();
    slow.thread = std::thread([] {});
    if (!run_succeeded(*slow.run, slow.succeeded)) return;
    // By time, since a network namespace's number is given out again after its end.
    Matcher matcher(slow.run->expected(), strategy_);
    std::size_t next = slow.first_record;
    const Marker marker(markers_++);
    const auto look = [&](const Json& record) {
        if (marker.is(record)) return true;
        if (!slow.run->concerns(record) || !record.contains("ktime_ns")) return false;
        const Json& when = record["ktime_ns"];
        if (when >= slow.run->begin_ns() && when <= slow.run->end_ns()) matcher.add(record);
        return false;
    };
    ASSERT_TRUE(tracer_->follow(next, look, Tracer::Clock::now() + settings_.deadline));
    const std::string report = matcher.report();
    EXPECT_TRUE(report.empty()) << "strategy " << strategy_ << report;
    dump(name, matcher);
}

void World::check_records() {
    EXPECT_TRUE(tracer_->bad_lines().empty()) << "not a JSON object: " << tracer_->bad_lines().front();
    const std::vector<Json> records = tracer_->all();
    ASSERT_FALSE(records.empty());
    for (const Json& record : records) {
        // Where the kernel can be preempted inside a program some runs are skipped, whoever they were for, and counted;
        // whether one of ours was among them, the cases tell.
        if (word_of(record, "reason") == "recursion") continue;
        EXPECT_NE(word_of(record, "type"), "loss") << record;
        if (!is_event(record)) continue;
        std::string missing;
        for (const char* key : kEventKeys) {
            if (!record.contains(key)) missing += std::string(" ") + key;
        }
        EXPECT_TRUE(missing.empty()) << "keys missing:" << missing << " in " << record;
        EXPECT_TRUE(record.contains("v") && record["v"] == 1) << record;
        if (testing::Test::HasFailure()) return;  // the first one tells enough
    }
}

void World::dump(const std::string& name, const Matcher& matcher) {
    if (!dump_.is_open()) return;
    int index = 0;
    for (const Json& event : matcher.matched()) {
        dump_ << Json{{"case", name}, {"index", index++}, {"event", normalised(event)}}.dump() << "\n";
    }
    dump_.flush();
}

}  // namespace bindtrace
