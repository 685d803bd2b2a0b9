// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bindtrace {

struct Vrf {
    std::uint32_t index = 0;
    std::string name;
};

// The VRF of each interface of the calling thread's network namespace that is in one, by the interface's index; a VRF
// is in itself. Empty where that cannot be found out.
std::map<std::uint32_t, Vrf> vrfs_here();

}  // namespace bindtrace
