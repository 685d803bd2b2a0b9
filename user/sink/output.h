// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/result.h"

namespace bindtrace {

// Collects what sinks append, and has a thread of its own write it out: copying into the page cache costs more than all
// that comes before it, and events must not wait for it in the ring buffer.
class Output {
  public:
    // `signals` becomes readable when the program is to end: then a reader that does not read is not waited for long.
    // `name` is what errors call it.
    explicit Output(int fd, int signals, std::string name = "stdout");
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    std::string& buffer() { return buffer_; }

    // False where flush() would wait, or fail.
    bool has_room();

    // Hands over what has been collected; waits where too much is still to be written. Fails if writing has failed.
    Status flush();

    // Returns when all has been written.
    Status finish();

    // Records that have not been written, or not all of it, since writing has failed.
    std::uint64_t lost();

  private:
    static constexpr std::size_t kWaiting = 24;  // buffers, each a batch of events
    static constexpr int kPatienceMs = 1000;

    void write_all();
    Status write_out(const std::string& bytes, std::size_t& written) const;
    void lose(std::string_view bytes);
    Status wait_until_writable() const;

    int fd_;
    int signals_;
    std::string name_;
    bool may_block_;
    std::string buffer_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> waiting_;
    std::vector<std::string> spare_;  // empty ones with room, so that a batch does not allocate
    bool writing_ = false;
    bool ended_ = false;
    std::uint64_t lost_ = 0;
    Status status_;
    std::thread writer_;  // last: it uses what is above
};

}  // namespace bindtrace
