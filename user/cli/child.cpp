// SPDX-License-Identifier: MIT
#include "cli/child.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace bindtrace {
namespace {

constexpr int kNotRun = 127;  // as shells have it

[[noreturn]] void become(const std::vector<std::string>& command, int go, int failed) {
    char byte = 0;
    if (read(go, &byte, 1) != 1) _exit(kNotRun);
    for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
    std::vector<char*> words;
    words.reserve(command.size() + 1);
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words.front(), words.data());
    const int code = errno;
    static_cast<void>(!write(failed, &code, sizeof(code)));
    _exit(kNotRun);
}

}  // namespace

Result<Child> Child::fork(const std::vector<std::string>& command) {
    std::array<int, 2> go{}, failed{};
    if (pipe2(go.data(), O_CLOEXEC) != 0) return Error{"pipe", errno};
    const UniqueFd go_read(go[0]);
    Child child;
    child.go_ = UniqueFd(go[1]);
    if (pipe2(failed.data(), O_CLOEXEC) != 0) return Error{"pipe", errno};
    child.failed_ = UniqueFd(failed[0]);
    const UniqueFd failed_write(failed[1]);
    child.pid_ = ::fork();
    if (child.pid_ < 0) return Error{"cannot fork", errno};
    child.name_ = command.front();
    if (child.pid_ == 0) {
        close(go[1]);  // else it would never see that we are gone
        become(command, go[0], failed[1]);
    }
    child.end_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
    if (!child.end_.valid()) return Error{"pidfd_open", errno};
    fcntl(child.end_.get(), F_SETFD, FD_CLOEXEC);
    return child;
}

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      end_(std::move(other.end_)),
      go_(std::move(other.go_)),
      failed_(std::move(other.failed_)) {}

Child::~Child() {
    if (pid_ > 0) wait();
}

Status Child::release() {
    const char byte = 0;
    if (write(go_.get(), &byte, 1) != 1) return Error{"cannot start the command", errno};
    go_ = UniqueFd();
    int code = 0;
    if (read(failed_.get(), &code, sizeof(code)) == sizeof(code)) return Error{"cannot run '" + name_ + "'", code};
    return {};
}

void Child::forward(int signal) const {
    if (pid_ > 0) kill(pid_, signal);
}

int Child::wait() {
    go_ = UniqueFd();  // ends one that waits still to be released
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace bindtrace
