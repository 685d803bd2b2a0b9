// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <thread>

namespace bindtrace {

// Asks again and again until it holds; false at the deadline.
template <typename Condition>
bool wait_until(Condition holds, std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace bindtrace
