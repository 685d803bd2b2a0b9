// SPDX-License-Identifier: MIT
// The BPF programs, maps and links that a process has open, and whether they are gone after it.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "bindtrace/claim_slot.h"
#include "bindtrace/event.h"
#include "core/unique_fd.h"

namespace bindtrace {

inline __u64 as_u64(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

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

inline int bpf_call(int command, bpf_attr& attr) {
    return static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof(attr)));
}

inline UniqueFd open_object(const BpfObject& object) {
    bpf_attr attr{};
    attr.prog_id = object.id;  // at the same place for all of them
    return UniqueFd(bpf_call(object.kind == "prog_id:"  ? BPF_PROG_GET_FD_BY_ID
                             : object.kind == "map_id:" ? BPF_MAP_GET_FD_BY_ID
                                                        : BPF_LINK_GET_FD_BY_ID,
                             attr));
}

template <typename Info>
std::optional<Info> info_of(const UniqueFd& fd) {
    Info info{};
    bpf_attr attr{};
    attr.info = {.bpf_fd = static_cast<__u32>(fd.get()), .info_len = sizeof(info), .info = as_u64(&info)};
    if (bpf_call(BPF_OBJ_GET_INFO_BY_FD, attr) != 0) return std::nullopt;
    return info;
}

// How often a program of a running bindtrace has run while the kernel counted that; nothing where it has none.
inline std::optional<std::uint64_t> runs_of(pid_t pid, std::string_view program) {
    for (const BpfObject& object : bpf_objects_of(pid)) {
        if (object.kind != "prog_id:") continue;
        const auto info = info_of<bpf_prog_info>(open_object(object));
        if (info && info->name == program) return info->run_cnt;
    }
    return std::nullopt;
}

// While it is open.
inline UniqueFd count_runs() {
    bpf_attr attr{};
    attr.enable_stats.type = BPF_STATS_RUN_TIME;
    return UniqueFd(bpf_call(BPF_ENABLE_STATS, attr));
}

// What a map of a running bindtrace has for a key, as far as `value` has room for it. False where it has nothing.
template <typename Key, typename Value>
bool look_up(pid_t pid, std::string_view name, const Key& key, Value& value) {
    for (const BpfObject& object : bpf_objects_of(pid)) {
        if (object.kind != "map_id:") continue;
        const UniqueFd map = open_object(object);
        const auto info = info_of<bpf_map_info>(map);
        if (!info || std::string_view(info->name) != name) continue;
        bpf_attr attr{};
        attr.map_fd = static_cast<__u32>(map.get());
        attr.key = as_u64(&key);
        attr.value = as_u64(value.data());
        return bpf_call(BPF_MAP_LOOKUP_ELEM, attr) == 0;
    }
    return false;
}

// How many events the programs of a running bindtrace have put into the ring buffer.
inline std::uint64_t events_submitted(pid_t pid) {
    std::array<std::uint64_t, 4096> per_cpu{};  // as many as any kernel has
    look_up(pid, "counters", __u32{BT_COUNT_EVENTS}, per_cpu);
    return std::accumulate(per_cpu.begin(), per_cpu.end(), std::uint64_t{0});
}

// Is a claim of the socket with that cookie remembered?
inline bool is_remembered(pid_t pid, std::uint64_t cookie) {
    std::array<std::uint64_t, 64> claim{};  // with room for more than there is
    if (look_up(pid, "claims", cookie, claim)) return true;
    return look_up(pid, "claim_slots", bt_claim_slot(cookie), claim) && claim[1] == cookie;
}

// The kernel frees them some time after the last descriptor, and gives no number again before all others.
inline bool is_gone(const BpfObject& object, std::chrono::steady_clock::time_point deadline) {
    do {
        const UniqueFd fd = open_object(object);
        if (fd.get() < 0) return errno == ENOENT;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

}  // namespace bindtrace
