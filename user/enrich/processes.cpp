// SPDX-License-Identifier: MIT
#include "enrich/processes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <string_view>

#include "enrich/proc_stat.h"

namespace bindtrace {
namespace {

std::vector<std::string> split_argv(std::string_view bytes) {
    std::vector<std::string> arguments;
    if (bytes.ends_with('\0')) bytes.remove_suffix(1);
    while (true) {
        const std::size_t end = bytes.find('\0');
        arguments.emplace_back(bytes.substr(0, end));
        if (end == std::string_view::npos) return arguments;
        bytes.remove_prefix(end + 1);
    }
}

// The same process, and not another one under a recycled pid: start times agree to a tick.
bool is_same(const std::optional<ProcStat>& stat, const bt_process_key& key) {
    const auto ticks_per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
    return stat && stat->start_ticks == key.start_ns / (1'000'000'000 / ticks_per_second);
}

}  // namespace

Process process_from_kernel(const bt_process& raw) {
    Process process;
    std::string_view components(raw.exe, std::min<std::size_t>(raw.exe_len, sizeof(raw.exe)));
    std::string path;
    while (!components.empty()) {  // leaf first
        const std::size_t end = components.find('\0');
        path.insert(0, std::string("/").append(components.substr(0, end)));
        if (end == std::string_view::npos) break;
        components.remove_prefix(end + 1);
    }
    if (!path.empty()) process.exe = std::move(path);
    if (raw.argv_len > 0)
        process.cmdline = split_argv({raw.argv, std::min<std::size_t>(raw.argv_len, sizeof(raw.argv))});
    for (std::size_t i = 0; i < std::min<std::size_t>(raw.ancestor_count, BT_ANCESTORS); ++i) {
        const bt_ancestor& ancestor = raw.ancestors[i];
        process.ancestry.push_back({ancestor.pid, std::string(ancestor.comm, strnlen(ancestor.comm, BT_COMM_LEN))});
    }
    return process;
}

Processes::Processes(Describe describe, std::string proc) : describe_(std::move(describe)), proc_(std::move(proc)) {}

std::size_t Processes::KeyHash::operator()(const bt_process_key& key) const {
    return std::hash<std::uint64_t>{}(key.start_ns * 31 + (std::uint64_t{key.pid} << 20) + key.exec_id);
}

const Process* Processes::find(const bt_process_key& key) {
    const Key own{key};
    if (const Process* known = cache_.find(own)) return known;
    std::optional<Process> process;
    if (const std::optional<bt_process> raw = describe_(key)) process = process_from_kernel(*raw);
    if (!process || !process->exe || !process->cmdline) {  // a page that was not in memory, or a path too long
        if (std::optional<Process> seen = read_proc(key)) {
            if (!process) process = Process{.exe = {}, .cmdline = {}, .ancestry = std::move(seen->ancestry)};
            if (!process->exe) process->exe = std::move(seen->exe);
            if (!process->cmdline) process->cmdline = std::move(seen->cmdline);
        }
    }
    if (!process) return nullptr;
    return &cache_.insert(own, std::move(*process));
}

bool Processes::is_alive(const bt_process_key& key) const {
    return is_same(read_proc_stat(proc_, key.pid), key);
}

std::optional<Process> Processes::read_proc(const bt_process_key& key) const {
    const std::optional<ProcStat> stat = read_proc_stat(proc_, key.pid);
    if (!is_same(stat, key)) return std::nullopt;
    Process process;
    const std::string folder = proc_ + "/" + std::to_string(key.pid);
    std::array<char, PATH_MAX> exe{};
    const ssize_t length = readlink((folder + "/exe").c_str(), exe.data(), exe.size());
    if (length > 0) process.exe = std::string(exe.data(), static_cast<std::size_t>(length));
    const std::string argv = read_proc_file(folder + "/cmdline");
    if (!argv.empty()) process.cmdline = split_argv(argv);
    for (std::uint32_t pid = stat->ppid; pid != 0 && process.ancestry.size() < BT_ANCESTORS;) {
        const std::optional<ProcStat> parent = read_proc_stat(proc_, pid);
        if (!parent) break;
        process.ancestry.push_back({pid, parent->comm});
        pid = parent->ppid;
    }
    return process;
}

}  // namespace bindtrace
