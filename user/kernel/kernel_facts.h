// SPDX-License-Identifier: MIT
// What this kernel and this user allow, asked of the kernel itself rather than of its version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/cgroup_tree.h"
#include "kernel/strategy.h"
#include "kernel/vmlinux_btf.h"

namespace bindtrace {

enum class Answer { yes, no, unknown };

struct Finding {
    Answer answer = Answer::unknown;
    std::string why;  // empty for yes
};

class KernelFacts {
  public:
    static KernelFacts probe();

    std::string release;               // uname -r
    std::string lockdown = "unknown";  // none, integrity, confidentiality; unknown where securityfs is not mounted
    CgroupLayout cgroups;
    std::vector<std::string> missing_capabilities;  // of those bindtrace needs
    bool has_btf = false;
    bool can_read_kernel = false;       // bpf_probe_read_kernel: not in lockdown=confidentiality
    bool can_cast = false;              // bpf_rdonly_cast
    std::uint32_t in6_addr_type = 0;    // BTF id
    bool can_mint_cookie = false;       // bpf_get_socket_cookie in tracing programs
    bool preempts_tracepoints = false;  // since 7.0, when SRCU took over from disabled preemption

    // Of the hierarchy that tells units.
    std::optional<std::string> cgroup_mount() const {
        return cgroups.tree ? std::optional(cgroups.tree->mount) : std::nullopt;
    }
    std::uint32_t cgroup_hierarchy() const { return cgroups.tree ? cgroups.tree->hierarchy : 0; }

    std::optional<int> function_arity(const char* name) const;

    // BTF ids. Nothing for a name that bindtrace has no use for.
    std::optional<std::uint32_t> function_id(const std::string& name) const;
    std::optional<std::uint32_t> tracepoint_id(const std::string& name) const;

    // The kernel's types, until they are forgotten: they are large. Null where it has none.
    const BtfReader* btf() const { return btf_ ? btf_->all() : nullptr; }
    void forget_btf() {
        if (btf_) btf_->forget();
    }

    bool lacks(std::string_view capability) const;

    // Without which the kernel would refuse the programs that this strategy has here.
    std::vector<std::string> lacking_for(Strategy strategy) const;

    KernelTraits traits() const;  // for as long as this object is there

    // Loads the smallest program of that mechanism. Not attached: to let go again takes the kernel as long as all the
    // rest.
    Finding try_strategy(Strategy strategy) const;

  private:
    Finding try_mechanism(Strategy strategy) const;

    std::optional<VmlinuxBtf> btf_;
};

}  // namespace bindtrace
