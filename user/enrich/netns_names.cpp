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

using std::chrono::milliseconds, std::chrono::seconds;

constexpr milliseconds kGoesOn{100};

// What is known of one is looked up again after that: its container may have been written down by then.
constexpr seconds kNamed{1};
constexpr milliseconds kUnnamed{20};

// By Podman or a CNI plugin, which tells nobody anything: "netns-2b5a9a20-59ae-76c4-b214-04a9efa4d74f".
bool is_made_up(std::string_view name) {
    constexpr std::size_t kUuidLength = 36;
    constexpr std::array<std::string_view, 2> kPrefixes = {"netns-", "cni-"};
    return std::ranges::any_of(kPrefixes, [name](std::string_view prefix) {
        return name.starts_with(prefix) && name.size() == prefix.size() + kUuidLength &&
               name.find_first_not_of("0123456789abcdef-", prefix.size()) == std::string_view::npos;
    });
}

NetnsProcesses processes_in(std::uint32_t inum, const std::string& proc, std::uint32_t host) {
    NetnsProcesses processes = netns_processes(proc, host);
    std::erase_if(processes, [inum](const NetnsProcess& process) { return process.netns != inum; });
    return processes;
}

}  // namespace

NetnsNames::NetnsNames(std::uint32_t host, NameOf name_of, std::string folder, std::string proc, Look look)
    : host_(host),
      name_of_(std::move(name_of)),
      folder_(std::move(folder)),
      proc_(std::move(proc)),
      look_(std::move(look)) {
    if (!look_) look_ = [proc = proc_, host](std::uint32_t inum) { return processes_in(inum, proc, host); };
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
    auto given = given_name(inum);
    if (given && !is_made_up(*given)) return given;
    ByProcess* known = by_process_.find(inum);
    const bool is_right = known != nullptr && known->name && is_still_right(*known, inum, seen_in_it, now);
    if (now >= next_look_ && (known == nullptr || now - known->looked >= (is_right ? kNamed : kUnnamed))) {
        next_scan_ = now;
        rescan(now);
        given = given_name(inum);
        if (given && !is_made_up(*given)) return given;
        known = &look_at(inum, now);
    }
    return known != nullptr && known->name ? std::optional<std::string_view>(*known->name) : given;
}

std::optional<std::string_view> NetnsNames::given_name(std::uint32_t inum) const {
    const auto found = names_.find(inum);
    return found == names_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

// Asked each time, since the number may be another one's by now; but for those that go on in the same namespace, which
// may take turns: to ask takes longer than all else that an event needs.
bool NetnsNames::is_still_right(ByProcess& known, std::uint32_t inum, const bt_process_key& seen_in_it,
                                Clock::time_point now) {
    const bool goes_on = seen_in_it.pid != 0 && std::ranges::any_of(known.seen, [&](const bt_process_key& one) {
                             return is_same_process(one, seen_in_it);
                         });
    if (goes_on && now - known.checked < kGoesOn) return true;
    if (inum_of(proc_ + "/" + std::to_string(known.pid) + "/ns/net") != inum) {
        known = {};
        return false;
    }
    if (!goes_on) known.seen[known.next_seen++ % known.seen.size()] = seen_in_it;
    known.checked = now;
    return true;
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

// To look takes one part in fifty of the time at most: so many at once as that is in a second, for where many come up
// together.
NetnsNames::ByProcess& NetnsNames::look_at(std::uint32_t inum, Clock::time_point now) {
    const auto begun = Clock::now();
    const NetnsProcesses processes = look_(inum);
    next_look_ = std::max(next_look_, now - seconds(1)) + (Clock::now() - begun) * 50;
    ByProcess found;
    found.looked = found.checked = now;
    if (!processes.empty()) {
        found.name = name_of_(processes);
        found.pid = processes.front().pid;
    }
    return by_process_.insert(inum, std::move(found));
}

}  // namespace bindtrace
