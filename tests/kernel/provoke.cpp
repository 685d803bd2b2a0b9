// SPDX-License-Identifier: MIT
// provoke --list              the cases, one a line; "slow" after the name of those that take a minute
// provoke CASE                makes it happen, prints the events it expects (see provoke_story.h)
// provoke short-lived N       N processes that bind and exit
// provoke bind-and-exit PORT [ERRNO]  what each of them does
//
// Needs root. Everything happens in a network namespace of its own; nothing of the machine's is changed but, in the
// cgroup-* cases, a cgroup that is removed again.
#include "provoke.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const auto& topic :
         {bind_cases,          bind_error_cases,      bind_v6_error_cases, reuse_cases,           dual_stack_cases,
          listen_cases,        tcp_autobind_cases,    udp_autobind_cases,  release_cases,         inheritance_cases,
          time_wait_cases,     process_cases,         cgroup_cases,        protocol_cases,        mptcp_cases,
          uring_cases,         state_cases,           conflict_cases,      conflict_advice_cases, conflict_unit_cases,
          conflict_ipv6_cases, conflict_shared_cases, landlock_cases,      sysctl_cases,          range_cases,
          capability_cases,    compat_cases,          no_memory_cases}) {
        std::vector<Case> some = topic();
        cases.insert(cases.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    }
    return cases;
}

[[noreturn]] void tell(const Case& it) {
    ::signal(SIGPIPE, SIG_IGN);
    own_exe();
    enter_new_netns();
    Json types = {"bind", "listen", "autobind", "release"};
    if (it.compares_state) types.push_back("state");
    print_line({{"case", it.name},
                {"events", types},
                {"netns", netns_inum()},
                {"begin_ns", boot_ns()},
                {"lingers", it.lingers}});
    {
        Story story;
        it.run(story);
        story.print();
        print_line({{"done", true}});
        char byte = 0;
        while (it.lingers && ::read(STDIN_FILENO, &byte, 1) > 0) {
        }
    }
    // Sockets that were left open go now.
    ::_exit(0);
}

int usage() {
    std::fputs("usage: provoke --list | provoke CASE | provoke short-lived N\n", stderr);
    return 2;
}

int run(int argc, char** argv) {
    if (argc < 2) return usage();
    const std::string word = argv[1];
    if (word == "bind-and-exit") return bind_and_exit(argc - 2, argv + 2);
    if (word == "short-lived" && argc == 3) {
        const int count = std::atoi(argv[2]);
        tell({word, [count](Story& story) { short_lived(story, count); }});
    }
    for (const Case& it : all_cases()) {
        if (word == "--list") std::printf("%s%s\n", it.name.c_str(), it.slow ? " slow" : "");
        if (word == it.name && argc == 2) tell(it);
    }
    return word == "--list" ? 0 : usage();
}

}  // namespace
}  // namespace bindtrace

int main(int argc, char** argv) {
    return bindtrace::run(argc, argv);
}
