// SPDX-License-Identifier: MIT
// One BPF object with its skeleton's type erased, so that the three strategies are handled alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "bindtrace/event.h"
#include "kernel/btf_reader.h"
#include "kernel/strategy.h"

struct bpf_object;

namespace bindtrace {

class BpfImage {
  public:
    // Null with errno set where libbpf cannot open it.
    // can_cast: the kernel has bpf_rdonly_cast. Each way of reading has an object of its own, since the verifier takes
    // longer to remove the other from one object than to walk what is left.
    static std::unique_ptr<BpfImage> open(Strategy strategy, bool can_cast, const BtfReader* vmlinux_btf);

    virtual ~BpfImage() = default;
    virtual bpf_object* object() = 0;
    virtual bt_config& config() = 0;  // to be filled in before load()
    virtual int load() = 0;           // 0 or a negative errno
    // After load().
    virtual volatile std::uint32_t& armed() = 0;
    virtual volatile std::uint32_t& consumer_sleeps() = 0;
    virtual std::uint32_t host_netns() = 0;
    virtual volatile std::uint32_t& netns_asked() = 0;
    virtual const bt_netns_walk& netns_walk() = 0;
};

}  // namespace bindtrace
