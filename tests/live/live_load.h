// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "live_netns.h"
#include "unit/wait_until.h"

namespace bindtrace {

// Binds without pause in a network namespace, until it is destroyed; bounded all the same.
class Load {
  public:
    explicit Load(const Netns& netns)
        : thread_([this, &netns] {
              netns.run([this] {
                  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
                  for (int i = 0; !enough_ && std::chrono::steady_clock::now() < end; ++i) {
                      bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i % 20000));
                      ++binds_;
                  }
              });
          }) {}
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() {
        enough_ = true;
        thread_.join();
    }

    std::uint64_t binds() const { return static_cast<std::uint64_t>(binds_.load()); }
    // Waits for that many more.
    bool go_on(int count) const {
        const int from = binds_;
        return wait_until([&] { return binds_ >= from + count; });
    }

  private:
    std::atomic<bool> enough_ = false;
    std::atomic<int> binds_ = 0;
    std::thread thread_;
};

}  // namespace bindtrace
