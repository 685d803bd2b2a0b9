// SPDX-License-Identifier: MIT
// The BPF side as user space sees it: open -> arm -> poll ... -> counters -> gone with the object.
//
// open() loads and attaches everything and takes the snapshot of the ports held already; no event is produced before
// arm(). Whatever happens after arm() returns is seen. Destruction detaches all programs and frees all maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "bindtrace/event.h"
#include "core/result.h"
#include "core/unique_fd.h"
#include "kernel/bpf_image.h"
#include "kernel/kernel_facts.h"
#include "kernel/ring_reader.h"
#include "kernel/strategy.h"

struct bpf_link;
struct bpf_map;
struct bpf_program;

namespace bindtrace {

struct TracerOptions {
    bt_config config{};                    // can_mint_cookie and the like are filled in by open()
    std::uint32_t ring_bytes = 16u << 20;  // a power of two
    UniqueFd cgroup;                       // of --cgroup; config.has_cgroup says whether it counts
};

// Totals since arm(), by reason.
struct Counters {
    std::uint64_t events = 0;
    std::uint64_t ring_full = 0;
    std::uint64_t map_full = 0;
    std::uint64_t recursion = 0;  // at most: program runs skipped that no other program made good
    std::uint64_t kretprobe_missed = 0;
};

class Tracer {
  public:
    using Handler = std::function<void(std::span<const std::byte>)>;

    static Result<std::unique_ptr<Tracer>> open(Strategy strategy, const KernelFacts& facts,
                                                const TracerOptions& options);
    ~Tracer();
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    Strategy strategy() const { return strategy_; }
    const std::vector<std::string>& missing() const { return missing_; }

    void arm();

    // No event after this; those in the ring buffer can still be consumed.
    void disarm();

    // Inode number of the host's network namespace; 0 where the snapshot did not see the machine's first process.
    std::uint32_t host_netns() const { return image_->host_netns(); }

    // Becomes readable at the first event after going_to_sleep().
    int poll_fd() const;

    // To be called before waiting for poll_fd(), and followed by one more consume(): what came before it does not wake.
    void going_to_sleep();

    // The kernel is to leave out what this cgroup does until then.
    void leave_out(std::uint64_t cgroup_id, std::uint64_t until_ktime_ns) const;

    // Hands over what is there, at most `limit` events. Returns how many.
    std::size_t consume(const Handler& handler, std::size_t limit);

    Counters counters() const;

    // By tid, those in a call whose return a kretprobe is to see; or whose return it has missed.
    std::set<std::uint32_t> tasks_without_return() const;

    // What the kernel side noted about a process, if it still has it.
    std::optional<bt_process> process(const bt_process_key& key) const;

    // Fills in `task` of each. At most BT_HOLDERS.
    void find_socket_users(std::span<bt_socket_user> users) const;

    // Those that are in it; none where that cannot be told.
    std::vector<bt_netns_process> netns_processes(std::uint32_t inum) const;

    // The path of a cgroup that was made or removed since the start, if it still has it.
    std::optional<std::string> cgroup_path(std::uint64_t id) const;

  private:
    struct Deleter {
        void operator()(bpf_link* link) const;
    };

    Tracer() = default;
    Status load(const KernelFacts& facts, const TracerOptions& options);
    Status load_programs(const KernelFacts& facts, const TracerOptions& options, const Choice& choice, bool casts);
    Status attach(bpf_program* program);
    Status take_snapshot() const;
    Status run(const char* iterator) const;
    // Those in the network namespace that is asked for; nothing where the kernel cannot, or there are too many.
    std::optional<std::span<const bt_netns_process>> walk() const;
    bpf_map* map(const char* name) const;
    std::vector<ProgramMisses> program_misses() const;

    Strategy strategy_{};
    std::vector<std::string> missing_;
    std::unique_ptr<BpfImage> image_;
    UniqueFd cgroup_root_;
    std::vector<std::unique_ptr<bpf_link, Deleter>> links_;
    std::optional<RingReader> ring_;
    std::vector<std::pair<int, std::string>> programs_;  // descriptor, name
    std::uint64_t recursion_at_arm_ = 0;
};

}  // namespace bindtrace
