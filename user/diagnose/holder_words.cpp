// SPDX-License-Identifier: MIT
#include "diagnose/holder_words.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <cstring>

#include "model/publisher.h"

namespace bindtrace {
namespace {

std::string comm_of(const bt_task& task) {
    return {task.comm, strnlen(task.comm, sizeof(task.comm))};
}

std::optional<std::string> unit_of(const Owner& owner) {
    return owner.cgroup_path ? unit_of_cgroup(*owner.cgroup_path) : std::nullopt;
}

std::string process_of(const Owner& owner) {
    return fmt::format("{}[{}]", comm_of(owner.task), owner.task.key.pid);
}

// What stands behind a published port, or whose the holder is itself.
std::string container_of(const Holder& holder) {
    const std::string words = container_words(holder.container);
    if (!holder.published) return words.empty() ? "" : " in " + words;
    const Published& published = *holder.published;
    std::string inside;
    if (published.container_port) inside = ":" + std::to_string(*published.container_port);
    if (published.container_gone)
        return fmt::format(" serving a container that is gone (it was {}{})", published.container_address.value_or("?"),
                           inside);
    std::string text = " serving " + (words.empty() ? "a container of " + published.runtime : words);
    if (published.container_port) text += fmt::format(" (its port {})", *published.container_port);
    return text;
}

// Of a pod, whose node does not decide what runs.
std::string move_pod(const Holder& holder) {
    if (!holder.container.pod || !holder.container.pod->name) return "";
    const Pod& pod = *holder.container.pod;
    return fmt::format("give pod {}{} another hostPort, or no hostNetwork", pod.name_space ? *pod.name_space + "/" : "",
                       *pod.name);
}

// LXD and Incus put the project before the name, where that is not the default one; no name has an underscore.
std::string in_project(const std::string& name) {
    const std::size_t end = name.rfind('_');
    return end == std::string::npos ? name : "--project " + name.substr(0, end) + " " + name.substr(end + 1);
}

std::string systemctl_of(const Owner& owner) {
    return systemctl_of(owner.cgroup_path ? place_of_cgroup(*owner.cgroup_path) : UnitPlace{}, owner.user,
                        owner.task.uid);
}

}  // namespace

std::string name_of(const Owner& owner) {
    const UnitPlace place = owner.cgroup_path ? place_of_cgroup(*owner.cgroup_path) : UnitPlace{};
    std::string text = process_of(owner);
    if (!place.unit) return text;
    if (place.session && owner.user) return fmt::format("{} in session {} of {}", text, *place.session, *owner.user);
    text += fmt::format(" {}", *place.unit);
    if (place.in_user_manager && owner.user) text += " of " + *owner.user;
    return text;
}

std::string name_of(const Holder& holder) {
    if (const auto unit = socket_unit(holder)) return *unit + (holder.process ? " in " + name_of(*holder.process) : "");
    if (holder.process) {
        // A container's scope is called by its id: its name says more.
        const bool in_named = !holder.published && !container_words(holder.container).empty();
        std::string text = (in_named ? process_of(*holder.process) : name_of(*holder.process)) + container_of(holder);
        if (holder.last_process && !holder.published)  // whose own tools made it: nobody knows those
            text += " (inherited from " + name_of(*holder.last_process) +
                    (holder.last_process_exited ? ", which has exited)" : ", which has closed it)");
        return text;
    }
    if (holder.raw.of_kernel != 0) return "the kernel itself";
    return holder.raw.sock.inode == 0 ? "no process" : "a process that is not known";
}

std::string systemctl_of(const UnitPlace& place, std::optional<std::string_view> user, std::uint32_t uid) {
    if (!place.in_user_manager) return "systemctl";
    return fmt::format("systemctl --user -M {}@", user ? std::string(*user) : std::to_string(place.user.value_or(uid)));
}

std::optional<std::string> unit_of_container(const Holder& holder) {
    if (!holder.published || holder.published->runtime != "podman" || !holder.process) return std::nullopt;
    const Owner& owner = *holder.process;
    const bool apart = owner.cgroup_path && owner.cgroup_path->ends_with(".service/runtime");
    return apart ? unit_of(owner) : std::nullopt;
}

std::string stop_container(const Holder& holder) {
    if (!holder.container.container || holder.container.pod) return "";
    if (const auto unit = unit_of_container(holder)) return systemctl_of(*holder.process) + " stop " + *unit;
    const Container& container = *holder.container.container;
    const std::string& name = container.name ? *container.name : container.id;
    if (container.runtime == "systemd-nspawn") return "machinectl stop " + name;
    if (container.runtime == "libvirt-lxc") return "machinectl terminate " + name;
    if (container.runtime == "lxc") return "lxc-stop -n " + name;
    if (container.runtime == "lxd") return "lxc stop " + in_project(name);
    if (container.runtime == "incus") return "incus stop " + in_project(name);
    if (container.runtime != "docker" && container.runtime != "podman") return "";
    const UnitPlace place = place_of(holder);
    const Owner* owner = owner_of(holder);
    std::string stop = container.runtime + " stop " + name;
    if (owner == nullptr) return stop;
    // Who publishes the ports of root's containers is root; who is in them may be anybody.
    const bool of_user = place.in_user_manager || (holder.published && owner->task.uid != 0);
    return of_user && owner->user ? fmt::format("as {}: {}", *owner->user, stop) : stop;
}

std::string stop_holder(const Holder& holder) {
    const auto made_by = socket_unit(holder);
    const Owner* owner = holder.process ? &*holder.process : nullptr;
    const auto unit = owner != nullptr ? unit_of(*owner) : std::nullopt;
    // Not where the unit's service alone has the socket still: that is a service like any other.
    if (made_by && (!unit || !unit->ends_with(".service"))) return "systemctl disable --now " + *made_by;
    if (owner == nullptr) return "";
    for (const std::string& way : {move_pod(holder), stop_container(holder)})
        if (!way.empty()) return way;
    if (publishes_ports(*owner) && !holder.serves_itself)
        return "stop the container whose port " + process_of(*owner) + " publishes";
    if (owner->task.key.pid == 1 && unit == "init.scope")  // with cgroup v1 systemd makes the socket itself
        return "systemctl disable --now the socket unit that systemctl list-sockets shows for the port";
    if (unit && unit->ends_with(".service")) return systemctl_of(*owner) + " stop " + *unit;
    const UnitPlace place = place_of(holder);
    if (place.in_user_manager && unit == "init.scope")
        return systemctl_of(*owner) + " disable --now the socket unit that its list-sockets shows for the port";
    if ((place.session || place.in_user_manager) && owner->user)
        return fmt::format("ask {} to stop {}", *owner->user, process_of(*owner));
    return "stop " + name_of(*owner);
}

std::string stop_service(const Holder& holder) {
    const auto unit = holder.process ? unit_of(*holder.process) : std::nullopt;
    return unit && unit->ends_with(".service") ? systemctl_of(*holder.process) + " stop " + *unit : "";
}

std::string let_go(const Holder& holder) {
    if (holder.raw.sock.state == TCP_TIME_WAIT) return "wait a minute";
    if (!holder.process) return "wait until that connection has ended";
    const auto unit = unit_of(*holder.process);
    return unit && unit->ends_with(".service") && (holder.serves_itself || !publishes_ports(*holder.process))
               ? systemctl_of(*holder.process) + " restart " + *unit
               : "have " + name_of(*holder.process) + " close that " +
                     (holder.raw.sock.remote_port != 0 ? "connection" : "socket");
}

}  // namespace bindtrace
