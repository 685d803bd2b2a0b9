// SPDX-License-Identifier: MIT
#include "kernel/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bindtrace/event.h"
#include "filter/filter.h"

namespace bindtrace {
namespace {

// The functions of a kernel that matter here, with how many arguments they take.
using Functions = std::map<std::string, int>;

constexpr std::uint32_t kAllKinds = kDefaultKinds | 1u << BT_KIND_STATE;

Functions common() {
    return {{"inet_bind", 3},          {"inet6_bind", 3},        {"__sys_bind", 3},
            {"__sys_listen", 2},       {"inet_hash_connect", 2}, {"inet6_hash_connect", 2},
            {"tcp_v4_connect", 3},     {"tcp_v6_connect", 3},    {"inet_autobind", 1},
            {"inet_dgram_connect", 4}, {"inet_put_port", 1},     {"udp_lib_unhash", 1},
            {"__udp_disconnect", 2},   {"ping_unhash", 1},       {"inet_twsk_bind_unhash", 2},
            {"tcp_set_state", 2}};
}

Functions linux_5_10() {
    Functions functions = common();
    functions.merge(Functions{{"inet_csk_listen_start", 2}, {"inet_twsk_hashdance", 3}});
    return functions;
}

Functions linux_6_1() {
    Functions functions = common();
    functions.merge(Functions{{"inet_csk_listen_start", 1}, {"inet_twsk_hashdance", 3}});
    return functions;
}

// ... and all that have come since.
Functions linux_6_12() {
    Functions functions = common();
    functions.merge(Functions{
        {"inet_csk_listen_start", 1}, {"inet_twsk_hashdance_schedule", 4}, {"inet_bind_sk", 3}, {"inet6_bind_sk", 3}});
    return functions;
}

const std::map<std::string, Functions>& kernels() {
    static const std::map<std::string, Functions> all = {
        {"5.10", linux_5_10()}, {"6.1", linux_6_1()}, {"6.12 and 7.x", linux_6_12()}};
    return all;
}

FunctionArity arity_in(const Functions& functions) {
    return [&functions](const char* name) -> std::optional<int> {
        const auto found = functions.find(name);
        return found == functions.end() ? std::nullopt : std::optional(found->second);
    };
}

Choice choose_on(Strategy strategy, const Functions& functions, bool can_mint_cookie = true,
                 Wanted wanted = {.kinds = kAllKinds}) {
    return choose(strategy, {.arity = arity_in(functions), .can_mint_cookie = can_mint_cookie}, wanted);
}

bool loads(const Choice& choice, const std::string& program) {
    return std::ranges::count(choice.load, program) == 1;
}

std::set<std::string> missing(const Choice& choice) {
    return {choice.missing.begin(), choice.missing.end()};
}

TEST(StrategyName, IsReversible) {
    for (const Strategy strategy : kStrategies) EXPECT_EQ(strategy_from_name(strategy_name(strategy)), strategy);
    EXPECT_EQ(strategy_name(Strategy::fentry), "fentry");
    EXPECT_EQ(strategy_name(Strategy::kprobe), "kprobe");
    EXPECT_EQ(strategy_name(Strategy::tracepoint), "tracepoint");
    for (const char* word : {"", "auto", "Fentry", "fentry "})
        EXPECT_EQ(strategy_from_name(word), std::nullopt) << word;
}

TEST(Choose, EveryFactIsToldOnEveryKernelOfTheMatrix) {
    for (const auto& [kernel, functions] : kernels()) {
        for (const Strategy strategy : kStrategies) {
            const Choice choice = choose_on(strategy, functions);
            EXPECT_EQ(missing(choice), std::set<std::string>{}) << strategy_name(strategy) << " on " << kernel;
            EXPECT_FALSE(choice.load.empty());
        }
    }
}

TEST(Choose, LoadsNothingTwiceAndOnlyWhatIsInTheTable) {
    for (const auto& [kernel, functions] : kernels()) {
        for (const Strategy strategy : kStrategies) {
            std::set<std::string> known;
            for (const ProgramSpec& spec : programs(strategy)) known.insert(spec.name);
            EXPECT_EQ(known.size(), programs(strategy).size());
            const Choice choice = choose_on(strategy, functions);
            for (const std::string& program : choice.load) {
                EXPECT_TRUE(loads(choice, program)) << program << " twice on " << kernel;
                EXPECT_TRUE(known.contains(program)) << program;
            }
        }
    }
}

// To attach to a function that is not there is refused, and with it the whole strategy.
TEST(Choose, NeverAsksForAFunctionThatTheKernelLacks) {
    for (const auto& [kernel, functions] : kernels()) {
        for (const Strategy strategy : kStrategies) {
            const Choice choice = choose_on(strategy, functions);
            for (const ProgramSpec& spec : programs(strategy)) {
                if (spec.when == ProgramSpec::When::always || *spec.target == '\0') continue;
                if (!loads(choice, spec.name)) continue;
                EXPECT_TRUE(functions.contains(spec.target)) << spec.name << " on " << kernel;
            }
        }
    }
}

// A kretprobe without its kprobe has no arguments, a kprobe without its kretprobe no outcome.
TEST(Choose, KeepsEntryAndReturnTogether) {
    for (const auto& [kernel, functions] : kernels()) {
        const Choice choice = choose_on(Strategy::kprobe, functions);
        for (const std::string& program : choice.load) {
            if (!program.starts_with("kretprobe__")) continue;
            const std::string entry = "kprobe__" + program.substr(std::string("kretprobe__").size());
            EXPECT_TRUE(loads(choice, entry)) << entry << " on " << kernel;
        }
    }
}

TEST(Choose, TakesTheListenProgramWithTheKernelsArguments) {
    const Choice old = choose_on(Strategy::fentry, linux_5_10());
    EXPECT_TRUE(loads(old, "fexit__inet_csk_listen_start_backlog"));
    EXPECT_FALSE(loads(old, "fexit__inet_csk_listen_start"));
    const Choice newer = choose_on(Strategy::fentry, linux_6_1());
    EXPECT_TRUE(loads(newer, "fexit__inet_csk_listen_start"));
    EXPECT_FALSE(loads(newer, "fexit__inet_csk_listen_start_backlog"));
    // A kprobe's return does not depend on them.
    for (const Functions& functions : {linux_5_10(), linux_6_1()})
        EXPECT_TRUE(loads(choose_on(Strategy::kprobe, functions), "kretprobe__inet_csk_listen_start"));
}

TEST(Choose, SaysSoWhereAnArgumentIsOneTooMany) {
    Functions functions = linux_6_12();
    functions["inet_csk_listen_start"] = 3;
    EXPECT_EQ(missing(choose_on(Strategy::fentry, functions)), std::set<std::string>{"listen"});
}

TEST(Choose, FollowsTheFunctionsThroughTheKernels) {
    for (const std::string prefix : {"fentry__", "kprobe__"}) {
        const Strategy strategy = prefix == "fentry__" ? Strategy::fentry : Strategy::kprobe;
        const Choice old = choose_on(strategy, linux_6_1());
        EXPECT_TRUE(loads(old, prefix + "inet_twsk_hashdance"));
        EXPECT_FALSE(loads(old, prefix + "inet_twsk_hashdance_schedule"));
        const Choice newer = choose_on(strategy, linux_6_12());
        EXPECT_FALSE(loads(newer, prefix + "inet_twsk_hashdance"));
        EXPECT_TRUE(loads(newer, prefix + "inet_twsk_hashdance_schedule"));
    }
    EXPECT_FALSE(loads(choose_on(Strategy::fentry, linux_6_1()), "fexit__inet_bind_sk"));
    EXPECT_TRUE(loads(choose_on(Strategy::fentry, linux_6_12()), "fexit__inet_bind_sk"));
    EXPECT_TRUE(loads(choose_on(Strategy::fentry, linux_6_12()), "fexit__inet_bind"));
}

struct Losing {
    std::vector<std::string> gone;
    std::set<std::string> missing;
};

TEST(Choose, NamesWhatIsLostWithAFunction) {
    const std::vector<Losing> losses = {
        {{"inet_bind", "inet_bind_sk"}, {"bind on IPv4 sockets"}},
        {{"inet6_bind", "inet6_bind_sk"}, {"bind on IPv6 sockets"}},
        {{"__sys_bind"}, {"bind refused before it reaches the socket (EBADF, EFAULT, LSM)"}},
        {{"inet_csk_listen_start"}, {"listen"}},
        {{"__sys_listen"}, {"listen refused (EOPNOTSUPP, EINVAL)"}},
        {{"inet_hash_connect"}, {"ephemeral ports of IPv4 connections"}},
        {{"inet6_hash_connect"}, {"ephemeral ports of IPv6 connections"}},
        {{"inet_autobind"}, {"ephemeral ports of UDP senders"}},
        {{"inet_dgram_connect"}, {"ephemeral ports of connected UDP"}},
        {{"inet_put_port"}, {"release of TCP ports"}},
        {{"udp_lib_unhash"}, {"release of UDP ports"}},
        {{"ping_unhash"}, {"release of ping identifiers"}},
        {{"inet_twsk_hashdance_schedule"}, {"ports taken over by TIME_WAIT"}},
        {{"inet_twsk_bind_unhash"}, {"the end of TIME_WAIT"}},
        // Told by another program too, or a second hook only:
        {{"inet_bind_sk"}, {}},
        {{"inet6_bind"}, {}},
        {{"tcp_v4_connect"}, {}},
        {{"tcp_v6_connect"}, {}},
        {{"__udp_disconnect"}, {}},
        {{"inet_autobind", "__sys_listen"}, {"ephemeral ports of UDP senders", "listen refused (EOPNOTSUPP, EINVAL)"}},
    };
    for (const Strategy strategy : {Strategy::fentry, Strategy::kprobe}) {
        for (const Losing& loss : losses) {
            Functions functions = linux_6_12();
            for (const std::string& name : loss.gone) functions.erase(name);
            EXPECT_EQ(missing(choose_on(strategy, functions)), loss.missing)
                << strategy_name(strategy) << " without " << loss.gone.front();
        }
    }
}

TEST(Choose, NamesEachLossOnceOnAKernelWithNothing) {
    for (const Strategy strategy : {Strategy::fentry, Strategy::kprobe}) {
        const Choice choice = choose_on(strategy, {});
        EXPECT_EQ(choice.missing.size(), 14u) << strategy_name(strategy);
        EXPECT_EQ(missing(choice).size(), choice.missing.size());
        for (const std::string& program : choice.load)
            EXPECT_TRUE(std::ranges::any_of(std::array{"tp__", "cgroup__", "iter__", "walk__"},
                                            [&](const char* beginning) { return program.starts_with(beginning); }))
                << program;
    }
    EXPECT_TRUE(choose_on(Strategy::tracepoint, {}).missing.empty());  // it needs no function
}

TEST(Choose, TracesStatesOnlyForWhomWantsThem) {
    for (const Strategy strategy : {Strategy::fentry, Strategy::kprobe}) {
        EXPECT_TRUE(loads(choose_on(strategy, linux_6_12(), true, {.kinds = kAllKinds}), "tp__inet_sock_set_state"));
        EXPECT_TRUE(
            loads(choose_on(strategy, linux_6_12(), true, {.kinds = 1u << BT_KIND_STATE}), "tp__inet_sock_set_state"));
        const Choice without = choose_on(strategy, linux_6_12(), true, {.kinds = kDefaultKinds});
        EXPECT_FALSE(loads(without, "tp__inet_sock_set_state"));
        EXPECT_TRUE(without.missing.empty());
        // All the others keep the claims that a single kind depends on.
        EXPECT_EQ(choose_on(strategy, linux_6_12(), true, {.kinds = 1u << BT_KIND_RELEASE}).load, without.load);
    }
    // To tracepoints a state is how connections are learned of.
    EXPECT_TRUE(loads(choose_on(Strategy::tracepoint, linux_6_12(), true, {.kinds = 1u << BT_KIND_BIND}),
                      "tp__inet_sock_set_state"));
}

// Not where what is learned of it is told to nobody, and no program is skipped that would have to be backed up.
TEST(Choose, BacksUpWhatConnectChose) {
    const auto backs_up = [](Strategy strategy, bool ephemeral, bool preempts) {
        const Functions functions = linux_6_12();
        const Choice choice = choose(strategy, {.arity = arity_in(functions), .preempts_tracepoints = preempts},
                                     {.kinds = kAllKinds, .ephemeral = ephemeral});
        EXPECT_TRUE(choice.missing.empty());
        return std::ranges::any_of(choice.load, [](const auto& name) { return name.ends_with("__tcp_v4_connect"); });
    };
    EXPECT_TRUE(backs_up(Strategy::fentry, true, false));
    EXPECT_TRUE(backs_up(Strategy::fentry, false, true));
    EXPECT_FALSE(backs_up(Strategy::fentry, false, false));
    EXPECT_TRUE(backs_up(Strategy::kprobe, false, false)) << "it misses returns for want of room, on any kernel";
}

TEST(Choose, MakesCookiesAtBirthWhereTracingProgramsCannot) {
    EXPECT_FALSE(loads(choose_on(Strategy::fentry, linux_6_12(), true), "cgroup__sock_create"));
    EXPECT_TRUE(loads(choose_on(Strategy::fentry, linux_5_10(), false), "cgroup__sock_create"));
    for (const bool can_mint : {true, false}) {
        EXPECT_TRUE(loads(choose_on(Strategy::kprobe, linux_6_12(), can_mint), "cgroup__sock_create"));
        EXPECT_TRUE(loads(choose_on(Strategy::tracepoint, linux_6_12(), can_mint), "cgroup__sock_create"));
    }
}

TEST(Choose, TakesWhatIsAskedAlways) {
    for (const Strategy strategy : kStrategies)
        for (const char* asked : {"iter__task_file", "iter__task", "walk__netns"})
            EXPECT_TRUE(loads(choose_on(strategy, {}), asked));
}

TEST(Choose, BacksUpTheTracepointThatMayBePreempted) {
    const auto arity = [](const char*) { return std::nullopt; };
    for (const bool preempts : {true, false}) {
        const Choice choice =
            choose(Strategy::tracepoint, {.arity = arity, .preempts_tracepoints = preempts}, {.kinds = kAllKinds});
        EXPECT_TRUE(loads(choice, "tp__sys_exit"));
        EXPECT_EQ(loads(choice, "tp__sys_exit_again"), preempts);
    }
}

TEST(NotMadeGood, CountsWhatNoOtherProgramBacksUp) {
    const ProgramMisses misses[] = {{"fentry__udp_lib_unhash", 3}, {"tp__sys_exit", 4}};
    EXPECT_EQ(not_made_good(misses), 7u);
    EXPECT_EQ(not_made_good({}), 0u);
}

TEST(NotMadeGood, OfProgramsThatBackEachOtherUpTakesTheOneSkippedLeast) {
    const ProgramMisses bind[] = {{"fexit__inet_bind_sk", 90},
                                  {"fexit__inet6_bind_sk", 20},
                                  {"fexit__inet_bind", 8},
                                  {"fexit__inet6_bind", 4},
                                  {"fexit____sys_bind", 15}};
    EXPECT_EQ(not_made_good(bind), 12u);  // the layers were skipped 110, 12 and 15 times
    const ProgramMisses repaired[] = {{"fentry__inet_put_port", 50}, {"tp__tcp_destroy_sock", 0}};
    EXPECT_EQ(not_made_good(repaired), 0u);
    const ProgramMisses twice[] = {{"tp__sys_exit", 50}, {"tp__sys_exit_again", 6}};
    EXPECT_EQ(not_made_good(twice), 6u);
}

TEST(NotMadeGood, AddsUpTheTwoProbesOfOneFunction) {
    const ProgramMisses probes[] = {
        {"kprobe____sys_listen", 2}, {"kretprobe____sys_listen", 3}, {"kprobe__inet_csk_listen_start", 9}};
    EXPECT_EQ(not_made_good(probes), 5u);
}

TEST(BlindSpots, AreToldForEveryStrategy) {
    for (const Strategy strategy : kStrategies) EXPECT_FALSE(blind_spots(strategy).empty());
    EXPECT_GT(blind_spots(Strategy::tracepoint).size(), blind_spots(Strategy::kprobe).size());
}

}  // namespace
}  // namespace bindtrace
