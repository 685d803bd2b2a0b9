// SPDX-License-Identifier: MIT
// The command of `record -- CMD`. It is forked at once, so that it inherits nothing of ours (priority, blocked signals,
// descriptors), and waits there until it is released.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/result.h"
#include "core/unique_fd.h"

namespace bindtrace {

class Child {
  public:
    static Result<Child> fork(const std::vector<std::string>& command);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child();  // one that was never released does nothing and is gone

    // Runs the command. An error where it cannot be run.
    Status release();

    int end_fd() const { return end_.get(); }  // readable once it has ended
    void forward(int signal) const;

    // Waits for its end; one that was never released ends at once. Its exit code, or 128 + the signal that killed it.
    int wait();

  private:
    Child() = default;

    std::string name_;
    pid_t pid_ = -1;
    UniqueFd end_;     // a pidfd
    UniqueFd go_;      // a byte starts it
    UniqueFd failed_;  // the errno of a failed exec
};

}  // namespace bindtrace
