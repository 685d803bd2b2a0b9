// SPDX-License-Identifier: MIT
// The verdict on a refused claim: who is in the way, which rule of the kernel refused, and what would work.
//
// The words are those that scripts rely on; see the README for what each means.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/record.h"

namespace bindtrace {

enum class Cause : std::uint8_t {
    listener,
    bound,
    ephemeral,
    time_wait,
    closing,
    udp_holder,
    address_not_local,
    privileged_port,
    denied,
    exhausted,
    already_bound,
    no_memory,
    bad_request,
    unknown,
};
std::string_view cause_name(Cause cause);

enum class Factor : std::uint8_t {
    same_process,
    same_unit,
    inherited_fd,
    socket_activated,
    container_published,
    dual_stack,
    wildcard_vs_specific,
    reuseaddr_missing_requester,
    reuseaddr_missing_holder,
    reuseport_missing_requester,
    reuseport_missing_holder,
    reuseport_uid_mismatch,
    holder_exited,
    kernel_socket,
    user_session,
    range_overlap,
    restart_loop,
};
std::string_view factor_name(Factor factor);

// A process that holds, or held, a socket. Owns its strings: it outlives the caches they came from.
struct Owner {
    bt_task task{};
    std::optional<Process> process;
    std::optional<std::int64_t> start_time_ns;  // UTC, since the epoch
    std::optional<std::string> user;
    std::optional<std::string> cgroup_path;
};

struct Holder {
    bt_holder raw{};
    std::optional<std::int64_t> since_ns;  // UTC, since the epoch, of the claim
    std::optional<std::string> socket_cgroup_path;
    std::optional<std::string> netns_name;
    std::optional<Owner> process;       // has it open
    std::vector<Owner> others;          // that have it open too; not all of them
    std::uint32_t processes = 0;        // that have it open, these included; 0 = not known
    std::optional<Owner> last_process;  // claimed it, and has it open no more
    bool last_process_exited = false;
    ContainerFacts container;            // it is in, or that has published the port
    std::optional<Published> published;  // the port leads into that container
    bool serves_itself = false;          // who may serve containers there is known to serve none at that port
};

// A port that is held, and by how many processes. The holder's process is the one that has run longest.
struct HeldPort {
    Holder holder;
    std::size_t processes = 0;
};

// Was it a connection before the start that nobody tells the end of? A claim of its own has none but one that was
// bound.
bool end_is_not_told(const Holder& holder);

// The systemd socket unit that made the socket, by the cgroup it was born in.
std::optional<std::string> socket_unit(const Holder& holder);

// Who has the socket open, or else who claimed it; null where neither is known.
const Owner* owner_of(const Holder& holder);

// Where that owner runs, by its cgroup path, of which the views are parts.
UnitPlace place_of(const Holder& holder);

// The systemd unit of that owner.
std::optional<std::string> unit_of(const Holder& holder);

// What the kernel side looked at for the holders.
struct Evidence {
    std::string_view source;    // "bind-bucket" or "udp-table"
    std::uint32_t sockets = 0;  // with the port number, in this network namespace
    bool complete = false;      // false: there were more
};

// Some of the ports of a full range, and who has them.
struct RangeShare {
    std::size_t ports = 0;
    std::string_view state;      // of the sockets: "TIME_WAIT"; empty where the protocol has none
    std::optional<Owner> owner;  // none: no process, or not known
};

struct RangeUse {
    std::size_t taken = 0;                // of the range, by sockets that are in the way
    std::vector<RangeShare> shares;       // the largest first; not all of them
    std::optional<std::size_t> reserved;  // of the range, in ip_local_reserved_ports, taken or not
};

struct LocalAddress {
    std::string interface;
    std::uint16_t family = 0;
    alignas(8) std::array<std::uint8_t, 16> address{};  // as those of a bt_sock are
    std::uint32_t index = 0;                            // of the interface; 0 = not known
    std::uint32_t vrf = 0;                              // index of the VRF it is in; 0 = none, or not known
    std::string vrf_name{};
};

// All that is found out about a failure while it is fresh. Diagnosis takes it, and a capture keeps it.
struct Findings {
    std::optional<Refusal> refusal;  // none: the errno alone speaks
    std::vector<Holder> holders;     // those of the refusal, in its order
    std::optional<RangeUse> range;   // looked up where wanted_look() says so, and where that was possible
    std::optional<std::vector<LocalAddress>> local_addresses;  // the same
    // What net.ipv4.ip_local_reserved_ports would have to be; empty = not known, or nothing is to be reserved.
    std::string to_reserve{};
};

struct Conflict {
    Cause cause = Cause::unknown;
    std::vector<Factor> factors;
    std::vector<Holder> holders;
    std::uint32_t in_the_way = 0;  // may be more than are named
    std::optional<Evidence> evidence;
    std::optional<RangeUse> range;                             // where it is exhausted
    std::optional<std::vector<LocalAddress>> local_addresses;  // where the one asked for is not among them
    std::string to_reserve;                                    // as found
    std::uint32_t failures = 1;       // of this port by this unit or program in a row, with this one
    std::uint64_t failing_ns = 0;     // since the first of them
    bool told_before = false;         // with the same cause and holder, in the same row
    std::optional<std::string> rule;  // one sentence
    std::string summary;              // one sentence
    std::vector<std::string> advice;  // the cleanest first
};

}  // namespace bindtrace
