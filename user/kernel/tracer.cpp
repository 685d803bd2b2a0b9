// SPDX-License-Identifier: MIT
#include "kernel/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "kernel/libbpf.h"
#include "kernel/tracing_sections.h"

namespace bindtrace {
namespace {

bool is_ephemeral_untold(const bt_config& config) {
    constexpr std::uint32_t kKinds = 1u << BT_KIND_AUTOBIND | 1u << BT_KIND_RELEASE;
    if (config.has_registry != 0) return false;
    return config.failed_only != 0 || config.no_ephemeral != 0 || (config.kinds & kKinds) == 0;
}

}  // namespace

void Tracer::Deleter::operator()(bpf_link* link) const {
    bpf_link__destroy(link);
}

Tracer::~Tracer() = default;

Result<std::unique_ptr<Tracer>> Tracer::open(Strategy strategy, const KernelFacts& facts,
                                             const TracerOptions& options) {
    keep_libbpf_words();
    std::unique_ptr<Tracer> tracer(new Tracer);
    tracer->strategy_ = strategy;
    if (Status loaded = tracer->load(facts, options); !loaded) return loaded.error();
    if (Status snapshot = tracer->take_snapshot(); !snapshot) return snapshot.error();
    auto ring = RingReader::open(bpf_map__fd(tracer->map("events")), options.ring_bytes);
    if (!ring) return ring.error();
    tracer->ring_.emplace(std::move(*ring));
    return tracer;
}

Status Tracer::load_programs(const KernelFacts& facts, const TracerOptions& options, const Choice& choice, bool casts) {
    image_ = BpfImage::open(strategy_, casts, facts.btf());
    if (!image_) return bpf_error("cannot open the BPF programs", errno);
    bt_config& config = image_->config();
    config = options.config;
    config.filters_tasks = config.pid != 0 || config.has_uid || config.has_cgroup;
    config.filters_facts = config.protocols != 0 || config.netns != 0 || config.has_container || config.has_ports ||
                           config.failed_only || config.no_ephemeral;
    config.has_bind_sk = facts.function_arity("inet_bind_sk").has_value();
    config.in6_addr_type = facts.in6_addr_type;
    config.cgroup_hierarchy = facts.cgroup_hierarchy();
    config.locked_down = !facts.can_read_kernel;
    config.ephemeral_untold = is_ephemeral_untold(config);
    config.can_mint_cookie = facts.can_mint_cookie && strategy_ != Strategy::kprobe;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, image_->object())
        bpf_program__set_autoload(program, std::ranges::count(choice.load, bpf_program__name(program)) != 0);
    bpf_map__set_max_entries(map("events"), options.ring_bytes);
    if (const int error = image_->load(); error != 0) return bpf_error("the kernel refused the BPF programs", -error);
    return {};
}

Status Tracer::load(const KernelFacts& facts, const TracerOptions& options) {
    prepare_tracing_programs(facts);
    const Choice choice = choose(strategy_, facts.traits(),
                                 {.kinds = options.config.kinds, .ephemeral = !is_ephemeral_untold(options.config)});
    missing_ = choice.missing;
    Status loaded = load_programs(facts, options, choice, facts.can_cast);
    // From 6.2 to 6.8 casts are to be had, but more functions in one another than the stack, as it is counted there,
    // has room for.
    if (!loaded && facts.can_cast && facts.can_read_kernel && strategy_ != Strategy::kprobe)
        loaded = load_programs(facts, options, choice, false);
    if (!loaded) return loaded;
    if (options.config.has_cgroup) {
        const int fd = options.cgroup.get();
        const __u32 slot = 0;
        if (bpf_map_update_elem(bpf_map__fd(map("cgroups")), &slot, &fd, BPF_ANY) != 0)
            return Error{"cannot filter by cgroup", errno, "--cgroup needs a directory of the cgroup v2 hierarchy"};
    }
    if (const auto& mount = facts.cgroups.cgroup2_mount)
        cgroup_root_ = UniqueFd(::open(mount->c_str(), O_DIRECTORY | O_CLOEXEC));
    for (const std::string& name : choice.load) {  // in this order: what ends a claim before what makes one
        bpf_program* const program = bpf_object__find_program_by_name(image_->object(), name.c_str());
        if (!program) continue;
        programs_.emplace_back(bpf_program__fd(program), name);
        if (Status attached = attach(program); !attached) return attached;
    }
    return {};
}

Status Tracer::attach(bpf_program* program) {
    const std::string name = bpf_program__name(program);
    if (name.starts_with("iter__") || name.starts_with("walk__")) return {};  // run when they are needed
    bpf_link* link = nullptr;
    if (name.starts_with("cgroup__")) {
        if (cgroup_root_.valid()) link = bpf_program__attach_cgroup(program, cgroup_root_.get());
        if (!link) {  // bearable: cookies are null, and the release of UDP ports is not seen by tracepoints
            missing_.emplace_back(name == "cgroup__sock_release" ? "release of UDP ports" : "socket cookies");
            return {};
        }
    } else {
        // By name of what it is: newer libbpf forget how to attach a program whose type was changed.
        link = bpf_program__type(program) == BPF_PROG_TYPE_TRACING ? bpf_program__attach_trace(program)
                                                                   : bpf_program__attach(program);
        if (!link) return bpf_error("cannot attach " + name, errno);
    }
    links_.emplace_back(link);
    return {};
}

Status Tracer::run(const char* iterator) const {
    return run_iterator(bpf_object__find_program_by_name(image_->object(), iterator));
}

Status Tracer::take_snapshot() const {
    return run("iter__task_file");
}

void Tracer::find_socket_users(std::span<bt_socket_user> users) const {
    const int fd = bpf_map__fd(map("socket_users"));
    for (__u32 slot = 0; slot < BT_HOLDERS; ++slot) {
        const bt_socket_user asked = slot < users.size() ? users[slot] : bt_socket_user{};
        bpf_map_update_elem(fd, &slot, &asked, BPF_ANY);
    }
    if (!run("iter__task")) return;
    for (__u32 slot = 0; slot < std::min<std::size_t>(users.size(), BT_HOLDERS); ++slot)
        bpf_map_lookup_elem(fd, &slot, &users[slot]);
}

std::optional<std::span<const bt_netns_process>> Tracer::walk() const {
    const int fd = bpf_program__fd(bpf_object__find_program_by_name(image_->object(), "walk__netns"));
    LIBBPF_OPTS(bpf_test_run_opts, options);
    if (fd < 0 || bpf_prog_test_run_opts(fd, &options) != 0) return std::nullopt;
    const bt_netns_walk& walk = image_->netns_walk();
    if (walk.whole == 0) return std::nullopt;
    return std::span(walk.processes).first(walk.found);
}

std::vector<bt_netns_process> Tracer::netns_processes(std::uint32_t inum) const {
    image_->netns_asked() = inum;
    std::vector<bt_netns_process> processes;
    if (const auto walked = walk()) {
        processes.assign(walked->begin(), walked->end());
    } else if (const auto told = read_iterator(bpf_object__find_program_by_name(image_->object(), "iter__task"))) {
        processes.resize(told->size() / sizeof(bt_netns_process));
        std::memcpy(processes.data(), told->data(), processes.size() * sizeof(bt_netns_process));
    }
    image_->netns_asked() = 0;
    return processes;
}

bpf_map* Tracer::map(const char* name) const {
    return bpf_object__find_map_by_name(image_->object(), name);
}

void Tracer::arm() {
    recursion_at_arm_ = not_made_good(program_misses());
    image_->armed() = 1;
}

void Tracer::disarm() {
    image_->armed() = 0;
}

int Tracer::poll_fd() const {
    return bpf_map__fd(map("events"));
}

void Tracer::going_to_sleep() {
    image_->consumer_sleeps() = 1;
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Tracer::leave_out(std::uint64_t cgroup_id, std::uint64_t until_ktime_ns) const {
    bpf_map_update_elem(bpf_map__fd(map("elsewhere")), &cgroup_id, &until_ktime_ns, BPF_ANY);
}

std::size_t Tracer::consume(const Handler& handler, std::size_t limit) {
    return ring_->consume(handler, limit);
}

std::vector<ProgramMisses> Tracer::program_misses() const {
    std::vector<ProgramMisses> misses;
    for (const auto& [fd, name] : programs_) {
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) misses.push_back({name, info.recursion_misses});
    }
    return misses;
}

std::set<std::uint32_t> Tracer::tasks_without_return() const {
    std::set<std::uint32_t> tasks;
    if (strategy_ != Strategy::kprobe) return tasks;
    struct {
        std::uint32_t tid, function;
    } call{};
    const int fd = bpf_map__fd(map("calls"));
    for (const void* last = nullptr; bpf_map_get_next_key(fd, last, &call) == 0; last = &call) tasks.insert(call.tid);
    return tasks;
}

Counters Tracer::counters() const {
    std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    std::array<std::uint64_t, BT_COUNTERS> sums{};
    for (__u32 slot = 0; slot < BT_COUNTERS; ++slot) {
        if (bpf_map_lookup_elem(bpf_map__fd(map("counters")), &slot, per_cpu.data()) != 0) continue;
        for (const std::uint64_t value : per_cpu) sums[slot] += value;
    }
    Counters counters;
    counters.events = sums[BT_COUNT_EVENTS];
    counters.ring_full = sums[BT_COUNT_RING_FULL];
    counters.map_full = sums[BT_COUNT_CLAIMS_FULL] + sums[BT_COUNT_STASH_FULL];
    const std::uint64_t recursion = not_made_good(program_misses());
    counters.recursion = recursion > recursion_at_arm_ ? recursion - recursion_at_arm_ : 0;
    counters.kretprobe_missed = sums[BT_COUNT_KRETPROBE_MISSED];
    return counters;
}

std::optional<bt_process> Tracer::process(const bt_process_key& key) const {
    bt_process process{};
    if (bpf_map_lookup_elem(bpf_map__fd(map("processes")), &key, &process) != 0) return std::nullopt;
    if (std::memcmp(&process.key, &key, sizeof(key)) != 0) return std::nullopt;  // recycled while we looked
    return process;
}

std::optional<std::string> Tracer::cgroup_path(std::uint64_t id) const {
    bt_cgroup cgroup{};
    if (bpf_map_lookup_elem(bpf_map__fd(map("cgroup_paths")), &id, &cgroup) != 0) return std::nullopt;
    const std::size_t length = strnlen(cgroup.path, sizeof(cgroup.path));
    if (length == 0 || length == sizeof(cgroup.path)) return std::nullopt;  // not readable, or cut
    return std::string(cgroup.path, length);
}

}  // namespace bindtrace
