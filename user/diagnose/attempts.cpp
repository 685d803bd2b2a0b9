// SPDX-License-Identifier: MIT
#include "diagnose/attempts.h"

#include <algorithm>
#include <cstring>

namespace bindtrace {
namespace {

// The program, where it runs, and what it wants.
std::string key_of(const Event& event, const Context& context) {
    std::string key(event.task.comm, strnlen(event.task.comm, sizeof(event.task.comm)));
    if (context.cgroup_path) key += *context.cgroup_path;
    key.append(reinterpret_cast<const char*>(event.addr), sizeof event.addr);
    for (const std::uint64_t part : {std::uint64_t{event.kind}, std::uint64_t{event.port},
                                     std::uint64_t{event.sock.protocol}, std::uint64_t{event.sock.netns}})
        key += '\0' + std::to_string(part);
    return key;
}

}  // namespace

Attempts::Row& Attempts::failed(const Event& event, const Context& context) {
    std::string key = key_of(event, context);
    if (series_.size() >= kCapacity && !series_.contains(key)) series_.clear();
    Series& series = series_[std::move(key)];
    const std::uint64_t now =
        std::max<std::uint64_t>(event.ktime_ns, series.last_ns);  // events of two CPUs may come out of order
    const auto is_long_ago = [now](std::uint64_t then) { return now - then > kGapNs; };
    if (series.failures != 0 && is_long_ago(series.last_ns)) series = {};
    if (series.failures++ == 0) series.since_ns = now;
    series.last_ns = now;
    const auto of_same = [&event](const Start& start) { return is_same_process(start.process, event.task.key); };
    std::erase_if(series.starts, of_same);  // one process that tries again is no restart
    series.starts.push_back({now, event.task.key});
    while (series.starts.size() > kLoopProcesses || is_long_ago(series.starts.front().ktime_ns))
        series.starts.pop_front();  // never the last, which is of now
    series.restart_loop = series.starts.size() >= kLoopProcesses;
    return series;
}

}  // namespace bindtrace
