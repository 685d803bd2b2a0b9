// SPDX-License-Identifier: MIT
// What the benchmarks measure with, and the one way in which they tell it: a line of JSON for each measure. tools/bench
// makes a table of these lines.
//
//     {"group":"bind","name":"bindtrace fentry, all events","unit":"ns","samples":[2112.4,2098.1]}
//
// The first measure of a group is what the others of that group are compared with.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "core/clock.h"

namespace bindtrace {

inline void tell(const std::string& group, const std::string& name, const char* unit,
                 const std::vector<double>& samples) {
    std::printf(R"({"group":"%s","name":"%s","unit":"%s","samples":[)", group.c_str(), name.c_str(), unit);
    for (std::size_t i = 0; i < samples.size(); ++i) std::printf("%s%.4g", i == 0 ? "" : ",", samples[i]);
    std::printf("]}\n");
    std::fflush(stdout);
}

// Processor time of the calling thread, programs that are attached to the kernel included.
inline double thread_ns() {
    return static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID));
}

// Processor time of another process.
struct CpuTime {
    double user_ns = 0, system_ns = 0;
};

inline CpuTime cpu_time(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    text.erase(0, text.rfind(')') + 1);
    std::istringstream fields(text);
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    CpuTime time;
    fields >> time.user_ns >> time.system_ns;
    const double tick_ns = 1e9 / static_cast<double>(sysconf(_SC_CLK_TCK));
    return {time.user_ns * tick_ns, time.system_ns * tick_ns};
}

}  // namespace bindtrace
