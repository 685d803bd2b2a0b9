// SPDX-License-Identifier: MIT
#include "kernel_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace bindtrace {
namespace {

struct Pipe {
    int read;
    int write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    return {ends[0], ends[1]};
}

int exit_code(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv) {
    const Pipe in = make_pipe();
    const Pipe out = make_pipe();
    const Pipe err = make_pipe();
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) {
        ::signal(SIGPIPE, SIG_DFL);
        ::dup2(in.read, STDIN_FILENO);
        ::dup2(out.write, STDOUT_FILENO);
        ::dup2(err.write, STDERR_FILENO);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    ::close(in.read);
    ::close(out.write);
    ::close(err.write);
    in_ = in.write;
    out_ = out.read;
    err_ = err.read;
    error_reader_ = std::thread([this] {
        std::array<char, 4096> chunk{};
        for (;;) {
            const ssize_t got = ::read(err_, chunk.data(), chunk.size());
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return;
            errors_.append(chunk.data(), static_cast<std::size_t>(got));
        }
    });
}

ChildProcess::~ChildProcess() {
    close_stdin();
    if (!status_) {
        signal(SIGKILL);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (error_reader_.joinable()) error_reader_.join();
    ::close(out_);
    ::close(err_);
}

std::optional<std::string> ChildProcess::read_line() {
    std::array<char, 65536> chunk{};
    for (;;) {
        const std::size_t end = buffered_.find('\n');
        if (end != std::string::npos) {
            std::string line = buffered_.substr(0, end);
            buffered_.erase(0, end + 1);
            return line;
        }
        const ssize_t got = ::read(out_, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return std::nullopt;
        buffered_.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

bool ChildProcess::write_line(const std::string& line) const {
    const std::string text = line + "\n";
    return ::write(in_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

void ChildProcess::close_stdin() {
    if (in_ >= 0) ::close(in_);
    in_ = -1;
}

void ChildProcess::signal(int number) const {
    if (!status_) ::kill(pid_, number);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds deadline) {
    if (status_) return status_;
    const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    pollfd gone{handle, POLLIN, 0};
    const int ready = ::poll(&gone, 1, static_cast<int>(deadline.count()));
    ::close(handle);
    if (ready <= 0) return std::nullopt;
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    status_ = exit_code(status);
    return status_;
}

std::string ChildProcess::errors() {
    if (error_reader_.joinable()) error_reader_.join();
    return errors_;
}

}  // namespace bindtrace
