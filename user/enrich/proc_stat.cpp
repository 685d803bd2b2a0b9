// SPDX-License-Identifier: MIT
#include "enrich/proc_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string_view>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

constexpr unsigned long kKernelThread = 0x00200000;  // PF_KTHREAD

}  // namespace

// Not by a stream: those throw when the process goes away between open() and read().
std::string read_proc_file(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 4096> chunk{};
    for (;;) {
        const ssize_t got = file.valid() ? ::read(file.get(), chunk.data(), chunk.size()) : 0;
        if (got <= 0) return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

std::optional<ProcStat> read_proc_stat(const std::string& proc, std::uint32_t pid) {
    const std::string text = read_proc_file(proc + "/" + std::to_string(pid) + "/stat");
    const std::size_t open = text.find('('), close = text.rfind(')');  // comm may hold both
    if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
    ProcStat stat{.comm = text.substr(open + 1, close - open - 1)};
    std::istringstream rest(text.substr(close + 1));
    std::string field;
    for (int number = 3; rest >> field; ++number) {
        if (number == 3) stat.state = field.front();
        if (number == 4) stat.ppid = static_cast<std::uint32_t>(std::strtoul(field.c_str(), nullptr, 10));
        if (number == 9) stat.of_kernel = (std::strtoul(field.c_str(), nullptr, 10) & kKernelThread) != 0;
        if (number == 22) stat.start_ticks = std::strtoull(field.c_str(), nullptr, 10);
    }
    return stat;
}

std::optional<std::string> read_proc_cgroup(const std::string& proc, std::uint32_t pid) {
    constexpr std::string_view kUnified = "0::", kOfSystemd = ":name=systemd:";
    std::optional<std::string> found;
    std::istringstream lines(read_proc_file(proc + "/" + std::to_string(pid) + "/cgroup"));
    std::string line;
    while (std::getline(lines, line)) {
        if (line.starts_with(kUnified) && (!found || line != "0::/")) found = line.substr(kUnified.size());
        const std::size_t at = line.find(':');
        if (at != std::string::npos && line.compare(at, kOfSystemd.size(), kOfSystemd) == 0 &&
            (!found || *found == "/"))
            found = line.substr(at + kOfSystemd.size());
    }
    return found;
}

}  // namespace bindtrace
