// SPDX-License-Identifier: MIT
#include "kernel/capabilities.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>

namespace bindtrace {
namespace {

struct Needed {
    int capability;
    const char* name;
    bool in_sys_admin;  // the kernel takes CAP_SYS_ADMIN instead: it was all of these before 5.8
    bool for_names;
};

constexpr std::array<Needed, 6> kNeeded = {{{CAP_BPF, "CAP_BPF", true, false},
                                            {CAP_PERFMON, "CAP_PERFMON", true, false},
                                            {CAP_NET_ADMIN, "CAP_NET_ADMIN", true, false},
                                            {CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", false, false},
                                            {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false, true},
                                            {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false, true}}};

bool is_limited(int resource) {
    rlimit limit{};
    return getrlimit(resource, &limit) == 0 && limit.rlim_max != RLIM_INFINITY;
}

}  // namespace

std::vector<std::string> find_missing_capabilities(bool maps_are_locked_memory) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    std::vector<std::string> missing;
    if (syscall(SYS_capget, &header, data.data()) != 0) return missing;
    const auto has = [&](int capability) {
        return (data[static_cast<std::size_t>(CAP_TO_INDEX(capability))].effective & CAP_TO_MASK(capability)) != 0;
    };
    const bool must_raise_limit = maps_are_locked_memory && is_limited(RLIMIT_MEMLOCK);
    for (const Needed& it : kNeeded) {
        if (it.capability == CAP_SYS_RESOURCE && !must_raise_limit) continue;
        if (!has(it.capability) && !(it.in_sys_admin && has(CAP_SYS_ADMIN))) missing.emplace_back(it.name);
    }
    return missing;
}

bool is_for_names(std::string_view capability) {
    for (const Needed& it : kNeeded)
        if (capability == it.name) return it.for_names;
    return false;
}

}  // namespace bindtrace
