// SPDX-License-Identifier: MIT
// The cases of `provoke`, one list per topic. Each runs in a process and a network namespace of its own, with lo up.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "provoke_story.h"

namespace bindtrace {

struct Case {
    std::string name;
    std::function<void(Story&)> run;
    bool slow = false;            // a minute or so
    bool compares_state = false;  // its `state` events are expected too; elsewhere they do not count
    bool lingers = false;         // undoes what it set up only after stdin has ended
};

std::vector<Case> bind_cases();
std::vector<Case> conflict_cases();
std::vector<Case> conflict_advice_cases();
std::vector<Case> conflict_unit_cases();
std::vector<Case> conflict_ipv6_cases();
std::vector<Case> conflict_shared_cases();
std::vector<Case> capability_cases();
std::vector<Case> landlock_cases();
std::vector<Case> range_cases();
std::vector<Case> sysctl_cases();
std::vector<Case> bind_error_cases();
std::vector<Case> bind_v6_error_cases();
std::vector<Case> reuse_cases();
std::vector<Case> dual_stack_cases();
std::vector<Case> listen_cases();
std::vector<Case> tcp_autobind_cases();
std::vector<Case> no_memory_cases();
std::vector<Case> udp_autobind_cases();
std::vector<Case> release_cases();
std::vector<Case> inheritance_cases();
std::vector<Case> time_wait_cases();
std::vector<Case> process_cases();
std::vector<Case> cgroup_cases();
std::vector<Case> compat_cases();
std::vector<Case> protocol_cases();
std::vector<Case> mptcp_cases();
std::vector<Case> uring_cases();
std::vector<Case> state_cases();

// `provoke short-lived N`: N processes that bind and exit, one after the other.
void short_lived(Story& story, int count);

// What those processes, and others that a case execs, do instead of a case: PORT, and the errno that is right. Gives
// the exit code.
int bind_and_exit(int argc, char** argv);

}  // namespace bindtrace
