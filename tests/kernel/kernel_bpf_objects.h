// SPDX-License-Identifier: MIT
// The BPF programs, maps and links that a process has open, and whether they are gone after it.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <thread>

#include "core/unique_fd.h"

namespace bindtrace {

struct BpfObject {
    std::string kind;  // as in /proc/PID/fdinfo
    std::uint32_t id = 0;
    auto operator<=>(const BpfObject&) const = default;
};

inline std::set<BpfObject> bpf_objects_of(pid_t pid) {
    std::set<BpfObject> objects;
    std::error_code none;  // where it has ended
    for (const auto& file : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo", none)) {
        std::ifstream lines(file.path());
        for (BpfObject it; lines >> it.kind;) {
            if (it.kind == "prog_id:" || it.kind == "map_id:" || it.kind == "link_id:")
                if (lines >> it.id) objects.insert(it);
        }
    }
    return objects;
}

// The kernel frees them some time after the last descriptor, and gives no number again before all others.
inline bool is_gone(const BpfObject& object, std::chrono::steady_clock::time_point deadline) {
    bpf_attr attr{};
    attr.prog_id = object.id;  // at the same place for all of them
    const int command = object.kind == "prog_id:"  ? BPF_PROG_GET_FD_BY_ID
                        : object.kind == "map_id:" ? BPF_MAP_GET_FD_BY_ID
                                                   : BPF_LINK_GET_FD_BY_ID;
    do {
        const UniqueFd fd(static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof(attr))));
        if (fd.get() < 0) return errno == ENOENT;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

}  // namespace bindtrace
