// SPDX-License-Identifier: MIT
// What the kernel holds for a bindtrace: asked of the kernel, not of bindtrace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace bindtrace {

// Programs and maps by id, with their names. Ids are not given out again for a long time.
struct BpfObjects {
    std::map<std::uint32_t, std::string> programs;
    std::map<std::uint32_t, std::string> maps;

    bool empty() const { return programs.empty() && maps.empty(); }
    std::string text() const;
};

// Those that a process has open.
BpfObjects bpf_objects_of(pid_t pid);

// Those among them that the kernel still knows, by walking all of its ids.
BpfObjects still_there(const BpfObjects& objects);

// Waits until none is left; the kernel frees them a moment after their last reference.
bool all_gone(const BpfObjects& objects);

// How many events the programs of a running bindtrace have put into the ring buffer.
std::uint64_t events_submitted(pid_t pid);

}  // namespace bindtrace
