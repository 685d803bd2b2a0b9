// SPDX-License-Identifier: MIT
// What the installed units of the system manager say about ports, read from their files as systemd reads them: the
// folders by precedence, drop-ins in the order of their names, an empty assignment that starts a list anew. Nobody asks
// systemd itself: the answer is the same in a guest, in a chroot, and while it is busy.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bindtrace/event.h"

namespace bindtrace {

struct SocketUnit {
    std::string name;
    std::string service;          // that gets its sockets; a template where each connection has an instance
    bool per_connection = false;  // Accept=yes: its service runs only while there is one
    std::vector<bt_sock> places;  // of ListenStream= and ListenDatagram=: protocol, family, address, port, V6ONLY
};

struct ServiceUnit {
    std::string user;         // empty = root
    bool is_ambient = false;  // AmbientCapabilities= has CAP_NET_BIND_SERVICE
    bool is_bounded = false;  // CapabilityBoundingSet= does not, so nobody in there has it

    bool may_once_unbounded() const { return user.empty() || is_ambient; }
    bool may_bind_low() const { return may_once_unbounded() && !is_bounded; }
};

class UnitFiles {
  public:
    explicit UnitFiles(std::filesystem::path root = "/") : root_(std::move(root)) { read_sockets(); }

    // Those that could be started: no templates but their enabled instances, none that is masked.
    std::span<const SocketUnit> sockets() const { return sockets_; }
    const SocketUnit* socket(std::string_view name) const;

    // Of an instance too. Nothing where it is not installed.
    std::optional<ServiceUnit> service(const std::string& name) const;

    // The name that systemd knows it by: "sshd.service" -> "ssh.service" where that is an alias.
    std::string canonical(const std::string& name) const;

  private:
    using Settings = std::multimap<std::string, std::string>;  // "Socket.ListenStream", in order

    std::set<std::string> socket_names() const;
    void read_sockets();
    std::optional<std::filesystem::path> find(const std::string& name) const;
    std::optional<Settings> settings(const std::string& name) const;

    std::filesystem::path root_;
    std::vector<SocketUnit> sockets_;
};

// "foo@bar.service" -> "foo@.service"; nothing for what is no instance.
std::optional<std::string> template_of(std::string_view unit);

}  // namespace bindtrace
