// SPDX-License-Identifier: MIT
#include "model/conflict.h"

#include <sys/socket.h>

#include "model/unit.h"

namespace bindtrace {

bool end_is_not_told(const Holder& holder) {
    const bt_sock& sock = holder.raw.sock;
    const bool is_bound = holder.raw.explicit_port != 0 && sock.inode != 0;
    return holder.raw.has_claim == 0 && sock.remote_port != 0 && sock.type != SOCK_DGRAM && !is_bound;
}

std::string_view cause_name(Cause cause) {
    switch (cause) {
        case Cause::listener:
            return "listener";
        case Cause::bound:
            return "bound";
        case Cause::ephemeral:
            return "ephemeral";
        case Cause::time_wait:
            return "time-wait";
        case Cause::closing:
            return "closing";
        case Cause::udp_holder:
            return "udp-holder";
        case Cause::address_not_local:
            return "address-not-local";
        case Cause::privileged_port:
            return "privileged-port";
        case Cause::denied:
            return "denied";
        case Cause::exhausted:
            return "exhausted";
        case Cause::already_bound:
            return "already-bound";
        case Cause::no_memory:
            return "no-memory";
        case Cause::bad_request:
            return "bad-request";
        case Cause::unknown:
            return "unknown";
    }
    return "";
}

std::string_view factor_name(Factor factor) {
    switch (factor) {
        case Factor::same_process:
            return "same-process";
        case Factor::same_unit:
            return "same-unit";
        case Factor::inherited_fd:
            return "inherited-fd";
        case Factor::socket_activated:
            return "socket-activated";
        case Factor::container_published:
            return "container-published";
        case Factor::dual_stack:
            return "dual-stack";
        case Factor::wildcard_vs_specific:
            return "wildcard-vs-specific";
        case Factor::reuseaddr_missing_requester:
            return "reuseaddr-missing-requester";
        case Factor::reuseaddr_missing_holder:
            return "reuseaddr-missing-holder";
        case Factor::reuseport_missing_requester:
            return "reuseport-missing-requester";
        case Factor::reuseport_missing_holder:
            return "reuseport-missing-holder";
        case Factor::reuseport_uid_mismatch:
            return "reuseport-uid-mismatch";
        case Factor::holder_exited:
            return "holder-exited";
        case Factor::kernel_socket:
            return "kernel-socket";
        case Factor::user_session:
            return "user-session";
        case Factor::range_overlap:
            return "range-overlap";
        case Factor::restart_loop:
            return "restart-loop";
    }
    return "";
}

std::optional<std::string> socket_unit(const Holder& holder) {
    // Where the socket does not tell (5.10 with net_cls in use), who bound it does: a child of process 1 in that unit.
    const auto& claimant = holder.last_process ? holder.last_process : holder.process;
    const auto& path = holder.socket_cgroup_path || !claimant ? holder.socket_cgroup_path : claimant->cgroup_path;
    const auto unit = path ? place_of_cgroup(*path).socket_unit() : std::nullopt;
    return unit ? std::optional<std::string>(*unit) : std::nullopt;
}

const Owner* owner_of(const Holder& holder) {
    if (holder.process) return &*holder.process;
    return holder.last_process ? &*holder.last_process : nullptr;
}

UnitPlace place_of(const Holder& holder) {
    const Owner* owner = owner_of(holder);
    return owner != nullptr && owner->cgroup_path ? place_of_cgroup(*owner->cgroup_path) : UnitPlace{};
}

std::optional<std::string> unit_of(const Holder& holder) {
    const auto unit = place_of(holder).unit;
    return unit ? std::optional<std::string>(*unit) : std::nullopt;
}

}  // namespace bindtrace
