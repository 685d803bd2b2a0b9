// SPDX-License-Identifier: MIT
#include "registry/proc_sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "enrich/users.h"
#include "registry/small_file.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

template <typename Number>
std::optional<Number> parse(std::string_view text, int base) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "0100007F:1F90": words in the machine's byte order, as the kernel has them in memory.
bool read_endpoint(const std::string& text, std::uint8_t (&address)[16], std::uint16_t& port) {
    const std::size_t colon = text.find(':');
    if (colon != 8 && colon != 32) return false;
    for (std::size_t i = 0; i < colon; i += 8) {
        const auto word = parse<std::uint32_t>(std::string_view(text).substr(i, 8), 16);
        if (!word) return false;
        std::memcpy(address + i / 2, &*word, sizeof(*word));
    }
    const auto number = parse<std::uint16_t>(std::string_view(text).substr(colon + 1), 16);
    port = number.value_or(0);
    return number.has_value();
}

// A line of /proc/net/tcp and its like: number, local, remote, state, queues, timer, retransmits, uid, timeout, inode.
std::optional<HeldSocket> parse_line(const std::string& line) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits;
    std::uint32_t uid = 0, timeout = 0;
    std::uint64_t inode = 0;
    if (!(words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode))
        return std::nullopt;
    HeldSocket socket;
    bt_holder& raw = socket.holder.raw;
    bt_sock& sock = raw.sock;
    const auto state_number = parse<std::uint8_t>(state, 16);
    if (!state_number || !read_endpoint(local, sock.local_addr, sock.local_port) ||
        !read_endpoint(remote, sock.remote_addr, sock.remote_port))
        return std::nullopt;
    sock.family = local.size() > 13 ? AF_INET6 : AF_INET;
    sock.state = raw.substate = *state_number;
    sock.inode = inode;
    raw.uid = uid;
    return socket;
}

Owner read_owner(const fs::path& folder, std::uint32_t pid, Users& users) {
    Owner owner;
    std::error_code error;
    owner.task.key.pid = owner.task.tid = pid;
    if (const auto comm = read_small_file(folder / "comm"))
        comm->copy(owner.task.comm, std::min(sizeof(owner.task.comm) - 1, comm->find('\n')));
    if (const auto status = read_small_file(folder / "status")) {
        const std::size_t at = status->find("\nUid:\t");
        if (at != std::string::npos) std::istringstream(status->substr(at + 6)) >> owner.task.uid;
        owner.user = users.name(owner.task.uid);
    }
    if (fs::path exe = fs::read_symlink(folder / "exe", error); !error)
        owner.process = Process{.exe = exe, .cmdline = {}, .ancestry = {}};
    if (const auto cgroups = read_small_file(folder / "cgroup")) {
        const std::size_t at = ("\n" + *cgroups).find("\n0::");
        if (at != std::string::npos) owner.cgroup_path = cgroups->substr(at + 3, cgroups->find('\n', at) - at - 3);
    }
    return owner;
}

std::unordered_map<std::uint64_t, std::vector<Owner>> socket_users(const std::string& proc) {
    std::unordered_map<std::uint64_t, std::vector<Owner>> by_inode;
    Users users;
    std::error_code error;
    fs::directory_iterator process(proc, error), end;
    for (; !error && process != end; process.increment(error)) {
        const auto pid = parse<std::uint32_t>(process->path().filename().string(), 10);
        std::error_code gone;
        fs::directory_iterator descriptor(process->path() / "fd", gone);
        std::optional<Owner> owner;
        for (; pid && !gone && descriptor != end; descriptor.increment(gone)) {
            std::error_code closed;
            const std::string target = fs::read_symlink(*descriptor, closed);
            constexpr std::string_view kSocket = "socket:[";
            if (closed || !target.starts_with(kSocket)) continue;
            const auto inode = parse<std::uint64_t>(
                std::string_view(target).substr(kSocket.size(), target.size() - kSocket.size() - 1), 10);
            if (!owner) owner = read_owner(process->path(), *pid, users);
            auto& all = by_inode[inode.value_or(0)];
            if (all.empty() || all.back().task.key.pid != *pid) all.push_back(*owner);
        }
    }
    return by_inode;
}

}  // namespace

HeldSockets proc_sockets(std::uint32_t netns, const std::string& proc) {
    HeldSockets held;
    held.with_processes = false;
    const auto users = socket_users(proc);
    for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
        const auto content = read_small_file(proc + "/net/" + table);
        const bool udp = std::string_view(table).starts_with("udp");
        // Without IPv6 there is no table for it.
        if (!content) held.complete = held.complete && std::string_view(table).ends_with('6');
        std::istringstream lines(content ? *content : "");
        for (std::string line; std::getline(lines, line);) {
            auto socket = parse_line(line);
            if (!socket) continue;  // the heading
            bt_sock& sock = socket->holder.raw.sock;
            sock.netns = netns;
            sock.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
            sock.type = udp ? SOCK_DGRAM : SOCK_STREAM;
            if (const auto found = users.find(sock.inode); sock.inode != 0 && found != users.end()) {
                socket->users = found->second;
                socket->holder.process = found->second.front();
            }
            held.sockets.push_back(std::move(*socket));
        }
    }
    return held;
}

}  // namespace bindtrace
