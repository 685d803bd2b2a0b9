// SPDX-License-Identifier: MIT
// Values to write into captures, and a Receiver that keeps what it is handed as text, to compare.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "capture/capture_reader.h"
#include "capture/capture_writer.h"
#include "pipeline/teller.h"
#include "sink/json_sink.h"

namespace bindtrace {

inline constexpr std::int64_t kUtcOffset = 1'795'000'000'000'000'000;
inline constexpr std::uint64_t kBegin = 86'400'123'456'789;
inline constexpr const char* kHostile = "\x1b[2J\"\\\xff\n=cmd|' /C calc'!A0\xe2\x80\xae";

// All fields differ from each other and from zero.
struct Sampled {
    Event event{};
    Context context;
    Process process;
    std::string user, cgroup_path, socket_cgroup_path, netns_name;
    ContainerFacts container;

    explicit Sampled(bt_kind kind, std::uint64_t number = 1) {
        const auto small = static_cast<std::uint32_t>(number);
        event.ktime_ns = kBegin + number * 1'234'567;
        event.held_ns = 5000 + number;
        event.kind = kind;
        event.flags =
            BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT | BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_HELD;
        event.op = BT_OP_CONNECT;
        event.port = static_cast<std::uint16_t>(8000 + small);
        event.addr_family = AF_INET6;
        std::memset(event.addr, 0x11, sizeof(event.addr));
        event.task = {.key = {kBegin - 77, 4000 + small, 3},
                      .cgroup_id = 7311,
                      .tid = 4001 + small,
                      .ppid = 17,
                      .uid = 998,
                      .pad = 0,
                      .comm = {}};
        std::strcpy(event.task.comm,
                    "my\x1b"
                    "app");
        event.sock.cookie = 20'000 + number;
        event.sock.inode = 912'000 + number * 3;
        event.sock.cgroup_id = 7312;
        std::memset(event.sock.local_addr, 0x22, 4);
        std::memset(event.sock.remote_addr, 0x33, sizeof(event.sock.remote_addr));
        event.sock.local_port = static_cast<std::uint16_t>(32768 + small);
        event.sock.remote_port = 443;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.netns = 4026531840;
        event.sock.bound_dev = 6;
        event.sock.opts = BT_OPT_REUSEADDR | BT_OPT_FREEBIND;
        event.sock.type = SOCK_STREAM;
        event.sock.state = TCP_SYN_SENT;
        event.sock.old_state = TCP_CLOSE;
        user = "us\"er";
        cgroup_path = std::string("/system.slice/") + kHostile;
        socket_cgroup_path = "/system.slice/my.socket";
        netns_name = "web";
        context.time_ns = kUtcOffset + static_cast<std::int64_t>(event.ktime_ns);
        context.start_time_ns = kUtcOffset + static_cast<std::int64_t>(event.task.key.start_ns);
        process = {.exe = "/opt/" + std::string(kHostile),
                   .cmdline = {{"app", "", kHostile}},
                   .ancestry = {{17, "sh"}, {1, "systemd"}}};
        container = {.container = Container{.runtime = "docker", .id = "d0c5", .name = kHostile, .image = "tiny:1"},
                     .pod = Pod{.name_space = "shop", .name = "web-1", .uid = "1-2", .container = "nginx"}};
        look_at_own();
    }
    Sampled(const Sampled& other)
        : event(other.event),
          context(other.context),
          process(other.process),
          user(other.user),
          cgroup_path(other.cgroup_path),
          socket_cgroup_path(other.socket_cgroup_path),
          netns_name(other.netns_name),
          container(other.container) {
        look_at_own();
    }
    Sampled& operator=(const Sampled&) = delete;
    ~Sampled() = default;

    Owner owner() const { return owner_of(task_view(event, context)); }

  private:
    void look_at_own() {
        context.process = &process;
        context.user = user;
        context.cgroup_path = cgroup_path;
        context.socket_cgroup_path = socket_cgroup_path;
        context.netns_name = netns_name;
        context.container = &container;
        context.read_paths();
    }
};

inline Holder sampled_holder(std::uint64_t number) {
    const Sampled other(BT_KIND_LISTEN, 50 + number);
    Holder holder;
    holder.raw = {.since_ns = kBegin - 9000,
                  .flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCKOPT,
                  .op = BT_OP_LISTEN,
                  .uid = 33,
                  .substate = TCP_LISTEN,
                  .has_claim = 1,
                  .explicit_port = 1,
                  .of_kernel = 0,
                  .task = other.event.task,
                  .sock = other.event.sock};
    holder.since_ns = kUtcOffset + static_cast<std::int64_t>(kBegin) - 9000;
    holder.socket_cgroup_path = "/system.slice/holder.socket";
    holder.netns_name = "web";
    holder.process = Sampled(BT_KIND_BIND, 70 + number).owner();
    holder.others = {other.owner()};
    holder.processes = 5;
    holder.serves_itself = true;
    holder.last_process = other.owner();
    holder.last_process_exited = true;
    holder.container = other.container;
    holder.container.container->image.reset();
    holder.published = Published{.host_port = 8080,
                                 .container_port = 80,
                                 .container_address = "172.17.0.2",
                                 .container_gone = true,
                                 .runtime = "docker"};
    return holder;
}

inline Findings sampled_findings() {
    Findings found;
    found.holders = {sampled_holder(1), sampled_holder(2)};
    found.holders[1].process.reset();
    found.holders[1].last_process->process.reset();
    found.refusal = Refusal{.claimant = Sampled(BT_KIND_BIND, 5).event.sock,
                            .claimant_uid = 12,
                            .in_the_way = 9,
                            .seen = 40,
                            .complete = true,
                            .ephemeral_first = 32768,
                            .ephemeral_last = 60999,
                            .own_first = 40000,
                            .own_last = 40001,
                            .unprivileged_start = 1024,
                            .port_reserved = true,
                            .may_take_low_ports = true,
                            .common_opts = BT_OPT_REUSEADDR,
                            .holders = {}};
    for (const Holder& holder : found.holders) found.refusal->holders.push_back(holder.raw);
    found.range = RangeUse{.taken = 3,
                           .shares = {{.ports = 2, .state = "TIME_WAIT", .owner = {}},
                                      {.ports = 1, .state = "", .owner = Sampled(BT_KIND_BIND, 6).owner()}},
                           .reserved = 4};
    LocalAddress local{.interface = "lo", .family = AF_INET};
    local.address[0] = 127;
    local.address[3] = 1;
    local.index = 1;
    local.vrf = 7;
    local.vrf_name = "red";
    found.local_addresses = {local};
    found.to_reserve = "8080,9100-9110";
    return found;
}

inline Warning sampled_warning() {
    Warning warning{.time_ns = kUtcOffset + static_cast<std::int64_t>(kBegin) + 5000,
                    .ktime_ns = kBegin + 5000,
                    .reason = WarningReason::container_published,
                    .claim = sampled_findings().holders.at(0),
                    .entry = {.first_port = 9100,
                              .last_port = 9110,
                              .protocol = IPPROTO_TCP,
                              .address = Sampled(BT_KIND_BIND, 6).event.sock,
                              .owners = {{OwnerRule::Kind::unit, "node.service"}, {OwnerRule::Kind::exe, "/bin/\x1b"}},
                              .netns = "web",
                              .file = "shop/ports\n.toml",
                              .line = 17},
                    .unknown = "why",
                    .reserved = "8080,9100-9110"};
    return warning;
}

inline Warning sampled_service_without_port() {
    Warning warning = sampled_warning();
    warning.reason = WarningReason::service_without_port;
    warning.claim.last_process.reset();
    warning.claim.process->cgroup_path = "/system.slice/shop.service";
    warning.entry = {};
    warning.unknown = warning.reserved = "";
    warning.refused_error = 98;
    warning.refused_ns = warning.ktime_ns - 3;
    return warning;
}

inline Meta sampled_meta() {
    return {.time_ns = kUtcOffset + static_cast<std::int64_t>(kBegin),
            .ktime_ns = kBegin,
            .version = "0.1.0",
            .host = "ho\"st",
            .kernel = "6.1",
            .strategy = "fentry",
            .filters = {"--port 80", "--failed"}};
}

inline Host sampled_host() {
    return {.recording = 0x1122334455667788, .machine_id = "0123abcd", .boot_id = "feed"};
}

// Blocks in memory.
class MemoryOutput final : public BlockOutput {
  public:
    Status write(std::string_view block) override {
        starts.push_back(bytes.size());
        bytes += block;
        return {};
    }
    std::string bytes;
    std::vector<std::size_t> starts;
};

inline void decode_all(BlockDecoder& decoder, std::string_view records, Receiver& receiver) {
    decoder.begin(records, 0);
    while (decoder.next(receiver)) {
    }
}

// What was handed over, in lines of JSON and words.
class Heard final : public Receiver {
  public:
    void meta(const Meta& meta) override { teller_.meta(meta); }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        ++events;
        teller_.event(event, context, findings);
    }
    void loss(const Loss& loss) override { teller_.loss(loss); }
    void warning(const Warning& warning) override { teller_.warning(warning); }
    void host(const Host& host) override { hosts.push_back(host); }
    void netns(const NetnsFacts& facts) override { netns_seen.push_back(facts); }
    void checkpoint(const Checkpoint& checkpoint) override { checkpoints.push_back(checkpoint); }
    void end(const RecordingEnd& end) override { ends.push_back(end); }

    std::string text;
    std::size_t events = 0;
    std::vector<Host> hosts;
    std::vector<NetnsFacts> netns_seen;
    std::vector<Checkpoint> checkpoints;
    std::vector<RecordingEnd> ends;

  private:
    JsonSink sink_;
    Teller teller_{sink_, text};
};

}  // namespace bindtrace
