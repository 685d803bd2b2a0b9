// SPDX-License-Identifier: MIT
#include "model/container.h"

#include <algorithm>
#include <array>

#include "model/unit.h"

namespace bindtrace {
namespace {

constexpr std::size_t kIdLength = 64;

struct Pattern {
    std::string_view prefix;
    std::string_view runtime;
};

// PREFIX<id>.scope by the runtimes' systemd drivers. The "conmon" ones watch a container from outside.
constexpr std::array<Pattern, 8> kScopes = {{{"docker-", "docker"},
                                             {"libpod-", "podman"},
                                             {"libpod-conmon-", "podman"},
                                             {"cri-containerd-", "containerd"},
                                             {"nerdctl-", "containerd"},
                                             {"crio-", "cri-o"},
                                             {"crio-conmon-", "cri-o"},
                                             {"containerd-", "containerd"}}};
// PREFIX<id> by their cgroupfs drivers.
constexpr std::array<Pattern, 5> kFolders = {{{"libpod-", "podman"},
                                              {"libpod-payload-", "podman"},  // in the unit that ran it: Quadlet
                                              {"libpod-conmon-", "podman"},
                                              {"crio-", "cri-o"},
                                              {"crio-conmon-", "cri-o"}}};

std::string_view take_part(std::string_view& path) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    return part;
}

template <std::size_t N>
std::optional<ContainerPath> match(const std::array<Pattern, N>& patterns, std::string_view part,
                                   std::string_view suffix) {
    if (!part.ends_with(suffix)) return std::nullopt;
    part.remove_suffix(suffix.size());
    for (const Pattern& pattern : patterns) {
        if (part.size() == pattern.prefix.size() + kIdLength && part.starts_with(pattern.prefix) &&
            is_container_id(part.substr(pattern.prefix.size())))
            return ContainerPath{
                .runtime = pattern.runtime, .id = part.substr(pattern.prefix.size()), .pod_uid = {}, .user = {}};
    }
    return std::nullopt;
}

// "kubepods-burstable-pod<uid>.slice", maybe with the kubelet's own slice before it, and with the cgroupfs driver
// "pod<uid>" somewhere below "kubepods".
std::optional<std::string_view> pod_uid_of(std::string_view part, bool below_kubepods) {
    constexpr std::string_view kSlice = ".slice", kMark = "pod";
    std::string_view uid = part;
    const bool slice_of_kubelet = part.starts_with("kubepods") || part.find("-kubepods") != std::string_view::npos;
    if (part.ends_with(kSlice) && slice_of_kubelet) {
        uid.remove_suffix(kSlice.size());
        const std::size_t mark = uid.rfind("-pod");
        if (mark == std::string_view::npos) return std::nullopt;
        uid.remove_prefix(mark + 1);
    } else if (!below_kubepods) {
        return std::nullopt;
    }
    constexpr std::size_t kShortest = 32;  // of a static pod; others have dashes too
    if (!uid.starts_with(kMark) || uid.size() < kMark.size() + kShortest) return std::nullopt;
    uid.remove_prefix(kMark.size());
    return uid.find_first_not_of("0123456789abcdef-_") == std::string_view::npos ? std::optional(uid) : std::nullopt;
}

// containerd told to use systemd's names, and without the systemd driver: "kubepods-pod<uid>.slice:cri-containerd:<id>"
std::optional<ContainerPath> match_colons(std::string_view part) {
    constexpr std::string_view kMiddle = ":cri-containerd:";
    const std::size_t at = part.find(kMiddle);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view id = part.substr(at + kMiddle.size());
    if (!is_container_id(id)) return std::nullopt;
    return ContainerPath{
        .runtime = "containerd", .id = id, .pod_uid = pod_uid_of(part.substr(0, at), false), .user = {}};
}

// Those whose id is their name.
std::optional<ContainerPath> match_named(std::string_view parent, std::string_view part) {
    const auto named = [](std::string_view runtime, std::string_view name) {
        return ContainerPath{.runtime = runtime, .id = name, .pod_uid = {}, .user = {}};
    };
    for (const std::string_view prefix : {"lxc.payload.", "lxc.monitor."})
        if (part.size() > prefix.size() && part.starts_with(prefix)) return named("lxc", part.substr(prefix.size()));
    if (parent == "lxc" || parent == "lxc.payload" || parent == "lxc.monitor") return named("lxc", part);
    if (parent != "machine.slice") return std::nullopt;
    constexpr std::string_view kMachine = "machine-", kScope = ".scope";
    if (part.starts_with("systemd-nspawn@") && part.ends_with(".service")) {
        if (const auto instance = instance_of(part)) return named("systemd-nspawn", *instance);
    }
    if (part.size() > kMachine.size() + kScope.size() && part.starts_with(kMachine) && part.ends_with(kScope)) {
        const std::string_view name = part.substr(kMachine.size(), part.size() - kMachine.size() - kScope.size());
        if (!name.starts_with("qemu\\x2d")) return named("machine", name);  // that is libvirt's virtual machine
    }
    return std::nullopt;
}

}  // namespace

bool is_container_id(std::string_view text) {
    return text.size() == kIdLength && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<ContainerPath> container_of_cgroup(std::string_view path) {
    const UnitPlace place = place_of_cgroup(path);
    std::optional<std::string_view> pod_uid;
    bool below_kubepods = false;
    std::string_view parent;
    while (true) {
        const std::string_view part = take_part(path);
        if (part.empty()) return std::nullopt;
        if (const auto uid = pod_uid_of(part, below_kubepods)) pod_uid = uid;
        std::optional<ContainerPath> found = match(kScopes, part, ".scope");
        if (!found) found = match(kFolders, part, "");
        if (!found) found = match_colons(part);
        if (!found) found = match_named(parent, part);
        if (!found && is_container_id(part)) {
            if (parent == "docker")
                found = ContainerPath{.runtime = "docker", .id = part, .pod_uid = {}, .user = {}};
            else if (below_kubepods && pod_uid)
                found = ContainerPath{.runtime = "", .id = part, .pod_uid = {}, .user = {}};
        }
        if (found) {
            if (!found->pod_uid) found->pod_uid = pod_uid;
            if (place.in_user_manager) found->user = place.user;
            return found;
        }
        below_kubepods = below_kubepods || part == "kubepods";
        parent = part;
    }
}

bool is_called(const ContainerFacts& facts, std::string_view word) {
    constexpr std::size_t kShortId = 12;
    if (!facts.container) return false;
    const Container& container = *facts.container;
    return container.name == word || container.id == word ||
           (word.size() >= kShortId && is_container_id(container.id) && container.id.starts_with(word));
}

std::string container_words(const ContainerFacts& facts) {
    std::string words;
    if (facts.container && facts.container->name) words = "container " + *facts.container->name;
    if (!facts.pod || !facts.pod->name) return words;
    words += words.empty() ? "pod " : " of pod ";
    if (facts.pod->name_space) words += *facts.pod->name_space + "/";
    return words + *facts.pod->name;
}

}  // namespace bindtrace
