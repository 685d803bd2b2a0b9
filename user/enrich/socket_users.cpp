// SPDX-License-Identifier: MIT
#include "enrich/socket_users.h"

#include <utility>

#include "model/record.h"

namespace bindtrace {

std::optional<bt_task> SocketUsers::of(std::uint64_t inode, const bt_task* claimant) {
    if (inode == 0) return std::nullopt;  // it has no file
    if (claimant != nullptr) {
        for (const bt_socket_user& user : users(claimant->key.pid))
            if (user.inode == inode && is_same_process(user.task.key, claimant->key)) return user.task;
    }
    std::optional<bt_task> oldest;
    for (const bt_socket_user& user : users(0)) {
        if (user.inode != inode) continue;
        if (claimant != nullptr && is_same_process(user.task.key, claimant->key)) return user.task;
        if (!oldest || user.task.key.start_ns < oldest->key.start_ns) oldest = user.task;
    }
    return oldest;
}

const std::vector<bt_socket_user>& SocketUsers::users(std::uint32_t pid) {
    const auto [entry, is_new] = seen_.try_emplace(pid);
    if (is_new) {
        if (auto listed = list_(pid)) entry->second = std::move(*listed);
    }
    return entry->second;
}

}  // namespace bindtrace
