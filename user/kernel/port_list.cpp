// SPDX-License-Identifier: MIT
#include "kernel/port_list.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "kernel/libbpf.h"
#include "kernel/skeleton.h"
#include "kernel/tracing_sections.h"
#include "who.skel.h"
#include "who_cast.skel.h"

namespace bindtrace {
namespace {

constexpr std::uint32_t kFirstRing = 4u << 20, kLastRing = 256u << 20;  // bytes

// What the program tells of one look, put together.
class Gatherer {
  public:
    void add(const bt_holder& told) {
        const bool open = told.task.key.pid != 0;
        if (!open && told.sock.inode == 0) {
            list_.holders.push_back({.socket = told, .users = {}});
            return;
        }
        const auto [entry, is_new] = by_inode_.try_emplace(told.sock.inode, list_.holders.size());
        if (is_new) list_.holders.push_back({.socket = told, .users = {}});
        PortHolder& holder = list_.holders[entry->second];
        if (!open) holder.socket = told;  // a table knows more
        if (open) holder.users.push_back(told.task);
    }

    // Is there one that came between the look at processes and the look at the tables?
    bool has_unexplained() const {
        return std::ranges::any_of(list_.holders, [](const PortHolder& holder) {
            return holder.users.empty() && holder.socket.sock.inode != 0 && holder.socket.of_kernel == 0;
        });
    }

    PortList take() {
        for (PortHolder& holder : list_.holders) {
            std::vector<bt_task>& users = holder.users;
            std::ranges::sort(users, {},
                              [](const bt_task& user) { return std::pair(user.key.start_ns, user.key.pid); });
            const auto same = [](const bt_task& one, const bt_task& other) { return one.key.pid == other.key.pid; };
            users.erase(std::unique(users.begin(), users.end(), same), users.end());
            holder.socket.task = users.empty() ? bt_task{} : users.front();
        }
        return std::move(list_);
    }

  private:
    PortList list_;
    std::unordered_map<std::uint64_t, std::size_t> by_inode_;
};

std::uint64_t counter(const bpf_map* map, __u32 slot) {
    std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    std::uint64_t sum = 0;
    if (bpf_map__lookup_elem(map, &slot, sizeof(slot), per_cpu.data(), per_cpu.size() * sizeof(per_cpu[0]), 0) == 0)
        for (const std::uint64_t value : per_cpu) sum += value;
    return sum;
}

struct Look {
    PortList list;
    bool ring_was_full = false;
    bool has_unexplained = false;
};

template <typename Skeleton>
Result<Look> look(const KernelFacts& facts, const bt_config& config, std::uint32_t ring_bytes) {
    keep_libbpf_words();
    prepare_tracing_programs(facts);
    auto opened = open_skeleton<Skeleton>(facts.btf());
    if (!opened.skeleton) return bpf_error("cannot open the BPF program", errno);
    Skeleton& skeleton = *opened.skeleton;
    skeleton.rodata->bt_config = config;
    skeleton.rodata->bt_config.in6_addr_type = facts.in6_addr_type;
    const bpf_map* const used[] = {skeleton.maps.events, skeleton.maps.only_search, skeleton.maps.counters,
                                   skeleton.maps.rodata, skeleton.maps.data,        skeleton.maps.bss};
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (std::ranges::count(used, map) == 0) bpf_map__set_autocreate(map, false);
    }
    bpf_map__set_max_entries(skeleton.maps.events, ring_bytes);
    if (const int error = Skeleton::load(&skeleton); error != 0)
        return bpf_error("the kernel refused the BPF program", -error);
    if (Status ran = run_iterator(skeleton.progs.iter__who); !ran) return ran.error();

    Gatherer gatherer;
    const auto take = [](void* context, void* data, std::size_t size) {
        bt_holder told{};
        if (size < sizeof(told)) return 0;
        std::memcpy(&told, data, sizeof(told));
        static_cast<Gatherer*>(context)->add(told);
        return 0;
    };
    const std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> ring(
        ring_buffer__new(bpf_map__fd(skeleton.maps.events), take, &gatherer, nullptr), ring_buffer__free);
    if (!ring) return bpf_error("cannot map the ring buffer", errno);
    ring_buffer__consume(ring.get());
    Look found;
    found.has_unexplained = gatherer.has_unexplained();
    found.ring_was_full = counter(skeleton.maps.counters, BT_COUNT_RING_FULL) != 0;
    found.list = gatherer.take();
    found.list.host_netns = skeleton.data->bt_host_netns;
    found.list.complete = !found.ring_was_full && counter(skeleton.maps.counters, BT_COUNT_CLAIMS_FULL) == 0;
    return found;
}

}  // namespace

Result<PortList> list_ports(const KernelFacts& facts, const bt_config& config) {
    bool again = true;
    for (std::uint32_t ring_bytes = kFirstRing;;) {
        auto found =
            facts.can_cast ? look<who_cast_bpf>(facts, config, ring_bytes) : look<who_bpf>(facts, config, ring_bytes);
        if (!found) return found.error();
        if (found->ring_was_full && ring_bytes < kLastRing) {
            ring_bytes *= 4;
        } else if (found->has_unexplained && again) {
            again = false;
        } else {
            return std::move(found->list);
        }
    }
}

}  // namespace bindtrace
