// SPDX-License-Identifier: MIT
#include "enrich/netns_names.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "model/record.h"

namespace bindtrace {

namespace {

constexpr std::chrono::milliseconds kGoesOn{100};

// By Podman or a CNI plugin, which tells nobody anything: "netns-2b5a9a20-59ae-76c4-b214-04a9efa4d74f".
bool is_made_up(std::string_view name) {
    constexpr std::size_t kUuidLength = 36;
    constexpr std::array<std::string_view, 2> kPrefixes = {"netns-", "cni-"};
    return std::ranges::any_of(kPrefixes, [name](std::string_view prefix) {
        return name.starts_with(prefix) && name.size() == prefix.size() + kUuidLength &&
               name.find_first_not_of("0123456789abcdef-", prefix.size()) == std::string_view::npos;
    });
}

}  // namespace

NetnsNames::NetnsNames(std::uint32_t host, NameOf name_of, std::string folder, std::string proc, Look look)
    : host_(host),
      name_of_(std::move(name_of)),
      folder_(std::move(folder)),
      proc_(std::move(proc)),
      look_(std::move(look)) {
    rescan(Clock::now());
}

std::optional<std::uint32_t> NetnsNames::inum_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return std::nullopt;
    return static_cast<std::uint32_t>(status.st_ino);
}

std::optional<std::string_view> NetnsNames::name(std::uint32_t inum, const bt_process_key& seen_in_it) {
    const auto now = Clock::now();
    rescan(now);
    if (inum == 0) return std::nullopt;
    auto given = names_.find(inum);
    if (given == names_.end() && look_for_new(now)) given = names_.find(inum);
    if (given != names_.end() && !is_made_up(given->second)) return given->second;
    if (look_at_processes(now)) given = names_.find(inum);
    if (given != names_.end() && !is_made_up(given->second)) return given->second;
    if (const auto by_process = name_by_process(inum, seen_in_it, now)) return by_process;
    return given != names_.end() ? std::optional<std::string_view>(given->second) : std::nullopt;
}

// Asked each time, since the number may be another one's by now; but for a process that goes on in the same namespace:
// to ask takes longer than all else that an event needs.
std::optional<std::string_view> NetnsNames::name_by_process(std::uint32_t inum, const bt_process_key& seen_in_it,
                                                            Clock::time_point now) {
    const auto found = names_by_process_.find(inum);
    if (found == names_by_process_.end()) return std::nullopt;
    ByProcess& known = found->second;
    if (seen_in_it.pid != 0 && is_same_process(seen_in_it, known.seen_in_it) && now - known.checked < kGoesOn)
        return known.name;
    if (inum_of(proc_ + "/" + std::to_string(known.pid) + "/ns/net") == inum) {
        known.seen_in_it = seen_in_it;
        known.checked = now;
        return known.name;
    }
    names_by_process_.erase(found);
    return std::nullopt;
}

// At most once a second, but then always: the number of a namespace that has gone is soon used for another one.
void NetnsNames::rescan(Clock::time_point now) {
    if (now < next_scan_) return;
    next_scan_ = now + std::chrono::seconds(1);
    names_.clear();
    std::error_code ignored;
    std::filesystem::directory_iterator entry(folder_, ignored), end;
    for (; !ignored && entry != end; entry.increment(ignored))
        if (const auto inum = inum_of(entry->path())) names_[*inum] = entry->path().filename();
    if (host_ != 0) names_[host_] = "host";
}

// One that is not known may have come since the last look: looked for at once, but for no more than one part in fifty
// of the time.
bool NetnsNames::look_for_new(Clock::time_point now) {
    if (now < next_new_) return false;
    next_scan_ = now;
    rescan(now);
    next_new_ = now + std::max<Clock::duration>(std::chrono::milliseconds(20), (Clock::now() - now) * 50);
    return true;
}

// At most once a second, and where there are many processes less often: it takes one part in fifty of the time at most.
// With the names that were given meanwhile, which are to be preferred.
bool NetnsNames::look_at_processes(Clock::time_point now) {
    if (now < next_look_) return false;
    next_scan_ = now;
    rescan(now);
    std::unordered_map<std::uint32_t, NetnsProcesses> by_netns;
    for (NetnsProcess& process : look_ ? look_() : netns_processes(proc_, host_))
        by_netns[process.netns].push_back(std::move(process));
    names_by_process_.clear();
    for (const auto& [netns, processes] : by_netns) {
        if (auto name = name_of_(processes))
            names_by_process_[netns] = {.name = std::move(*name), .pid = processes.front().pid};
    }
    const auto taken = Clock::now() - now;
    next_look_ = now + std::max<Clock::duration>(std::chrono::seconds(1), taken * 50);
    return true;
}

}  // namespace bindtrace
