// SPDX-License-Identifier: MIT
// The registry while claims are made: is each one its owner's? The same question that `check` asks of what is held.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/warning.h"
#include "registry/held_sockets.h"
#include "registry/owner_match.h"
#include "registry/port_sysctls.h"
#include "registry/registry.h"
#include "registry/unit_files.h"

namespace bindtrace {

class PortWatch {
  public:
    // What is asked of the machine, each time anew: a namespace may be made, and a unit installed, while we watch.
    struct Asked {
        NetnsOfName inum;
        std::function<PortSysctls(const std::string& netns)> sysctls;
        std::function<UnitFiles()> units;
    };

    PortWatch(std::vector<PortEntry> entries, Asked asked);

    const std::vector<PortEntry>& entries() const { return entries_; }

    // The entry that speaks of a socket; null where none does.
    const PortEntry* entry_of(const bt_sock& sock) const;

    // Nothing where it is the owner's. Without times.
    std::optional<Warning> judge(const PortEntry& entry, const HeldSocket& claim);

    // Is this other socket the owner's, and does the claim share the port with it by SO_REUSEPORT?
    bool is_joined(const PortEntry& entry, const HeldSocket& claim, const HeldSocket& other) const;

  private:
    MatchResult match(const PortEntry& entry, const HeldSocket& claim);
    std::string reserved(const PortEntry& entry, std::uint16_t port) const;

    std::vector<PortEntry> entries_;
    Asked asked_;
    UnitFiles units_;
    std::chrono::steady_clock::time_point units_until_;
};

}  // namespace bindtrace
