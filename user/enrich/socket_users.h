// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "bindtrace/event.h"
#include "core/result.h"

namespace bindtrace {

// Who has a socket open now. For one refusal: what it has seen it does not look at again.
class SocketUsers {
  public:
    // Of one process, or of all (0). Fails for one process where the kernel cannot list that.
    using List = std::function<Result<std::vector<bt_socket_user>>(std::uint32_t pid)>;

    explicit SocketUsers(const List& list) : list_(list) {}

    // The claimant if it still has it, else the process that has run longest of those that do. Looks at everybody only
    // where the claimant, who may be null, does not have it: see the iterator for what looking does to a socket.
    std::optional<bt_task> of(std::uint64_t inode, const bt_task* claimant);

  private:
    const std::vector<bt_socket_user>& users(std::uint32_t pid);

    const List& list_;
    std::map<std::uint32_t, std::vector<bt_socket_user>> seen_;  // by pid
};

}  // namespace bindtrace
