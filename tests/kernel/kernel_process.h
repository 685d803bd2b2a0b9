// SPDX-License-Identifier: MIT
// A program run by a test, with pipes to its three standard streams.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace bindtrace {

class ChildProcess {
  public:
    // argv[0] is the path. Throws std::runtime_error where the pipes or the fork fail; a failing exec is exit code 127.
    explicit ChildProcess(const std::vector<std::string>& argv);
    ~ChildProcess();  // kills what still runs
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const { return pid_; }

    // The next line of its stdout, without the newline; nothing at the end. To be called from one thread.
    std::optional<std::string> read_line();
    // A line to its stdin; false where nobody reads that any more.
    bool write_line(const std::string& line) const;
    void close_stdin();
    void signal(int number) const;

    // Exit code, 128 + signal, or nothing where it still runs at the deadline.
    std::optional<int> wait(std::chrono::milliseconds deadline);

    // All of its stderr, once it has exited.
    std::string errors();

  private:
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    int err_ = -1;
    std::optional<int> status_;
    std::string buffered_;
    std::string errors_;
    std::thread error_reader_;
};

}  // namespace bindtrace
