// SPDX-License-Identifier: MIT
#include "kernel/port_list.h"

#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/unique_fd.h"
#include "kernel/libbpf.h"
#include "kernel/ring_reader.h"
#include "kernel/skeleton.h"
#include "kernel/tracing_sections.h"
#include "who.skel.h"
#include "who_cast.skel.h"

namespace bindtrace {
namespace {

constexpr std::uint32_t kFirstRing = 1u << 20, kLastRing = 256u << 20;  // bytes

// What the program tells of one look, put together: sockets with who has them open, and sockets from the tables.
class Gatherer {
  public:
    void add(const bt_holder& told) { (told.task.key.pid != 0 ? open_ : in_tables_).push_back(told); }

    void add(const bt_netns_process& told) { processes_.push_back(told); }

    PortList take() {
        PortList list;
        list.processes = std::move(processes_);
        std::unordered_map<std::uint64_t, std::vector<bt_task>> users;
        for (const bt_holder& socket : open_) users[socket.sock.inode].push_back(socket.task);
        for (auto& [inode, tasks] : users) put_in_order(tasks);
        std::set<Identity> known;
        for (const std::vector<bt_holder>* source : {&in_tables_, &open_}) {  // a table knows more
            for (const bt_holder& socket : *source) {
                const std::uint64_t inode = socket.sock.inode;
                if (inode != 0 && !known.insert(identity(socket)).second) continue;
                PortHolder& holder = list.holders.emplace_back(PortHolder{.socket = socket, .users = {}});
                if (const auto found = users.find(inode); inode != 0 && found != users.end())
                    holder.users = found->second;
                holder.socket.task = holder.users.empty() ? bt_task{} : holder.users.front();
            }
        }
        return list;
    }

  private:
    // The connections of an MPTCP socket all have its inode.
    using Identity = std::tuple<std::uint64_t, std::uint16_t, std::uint16_t, std::array<std::uint8_t, 16>>;

    static Identity identity(const bt_holder& holder) {
        const bt_sock& sock = holder.sock;
        return {sock.inode, sock.local_port, sock.remote_port, std::to_array(sock.remote_addr)};
    }

    // Each process once, the one that has run longest first.
    static void put_in_order(std::vector<bt_task>& users) {
        std::ranges::sort(users, {}, [](const bt_task& user) { return std::pair(user.key.start_ns, user.key.pid); });
        const auto same = [](const bt_task& one, const bt_task& other) { return one.key.pid == other.key.pid; };
        users.erase(std::unique(users.begin(), users.end(), same), users.end());
    }

    std::vector<bt_holder> open_, in_tables_;
    std::vector<bt_netns_process> processes_;
};

// A message of the kernel side, by its size.
template <typename Told>
bool gather(Gatherer& gatherer, std::span<const std::byte> record) {
    Told told{};
    if (record.size() != sizeof(told)) return false;
    std::memcpy(&told, record.data(), sizeof(told));
    gatherer.add(told);
    return true;
}

// Is there one that came between the look at processes and the look at the tables?
bool has_unexplained(const PortList& list) {
    return std::ranges::any_of(list.holders, [](const PortHolder& holder) {
        return holder.users.empty() && holder.socket.sock.inode != 0 && holder.socket.of_kernel == 0;
    });
}

std::uint64_t counter(const bpf_map* map, __u32 slot) {
    std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    std::uint64_t sum = 0;
    if (bpf_map__lookup_elem(map, &slot, sizeof(slot), per_cpu.data(), per_cpu.size() * sizeof(per_cpu[0]), 0) == 0)
        for (const std::uint64_t value : per_cpu) sum += value;
    return sum;
}

// 0 where several are asked for, or none.
std::uint16_t only_port(const bt_config& config) {
    std::optional<std::uint16_t> only;
    if (config.has_ports == 0) return 0;
    for (std::size_t port = 0; port <= 65'535; ++port) {
        if ((config.port_bits[port / 64] >> (port % 64) & 1) == 0) continue;
        if (only) return 0;
        only = static_cast<std::uint16_t>(port);
    }
    return only.value_or(0);
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
    skeleton.rodata->bt_config.cgroup_hierarchy = facts.cgroup_hierarchy();
    skeleton.rodata->bt_only_port = only_port(config);
    const bpf_map* const used[] = {skeleton.maps.events, skeleton.maps.only_search, skeleton.maps.counters,
                                   skeleton.maps.rodata, skeleton.maps.data,        skeleton.maps.bss};
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (std::ranges::count(used, map) == 0) bpf_map__set_autocreate(map, false);
    }
    bpf_map__set_max_entries(skeleton.maps.events, ring_bytes);
    if (const int error = Skeleton::load(&skeleton); error != 0)
        return bpf_error("the kernel refused the BPF program", -error);
    // They lead to the tables of their protocols; some kernels have no UDP-Lite.
    const UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
    const UniqueFd udplite(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE));
    if (Status ran = run_iterator(skeleton.progs.iter__who); !ran) return ran.error();

    Gatherer gatherer;
    auto ring = RingReader::open(bpf_map__fd(skeleton.maps.events), ring_bytes);
    if (!ring) return ring.error();
    const auto take = [&gatherer](std::span<const std::byte> record) {
        if (!gather<bt_holder>(gatherer, record)) gather<bt_netns_process>(gatherer, record);
    };
    ring->consume(take, std::numeric_limits<std::size_t>::max());
    Look found;
    found.ring_was_full = counter(skeleton.maps.counters, BT_COUNT_RING_FULL) != 0;
    found.list = gatherer.take();
    found.has_unexplained = has_unexplained(found.list);
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
