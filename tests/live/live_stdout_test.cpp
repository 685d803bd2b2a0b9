// SPDX-License-Identifier: MIT
// What becomes of bindtrace when its stdout closes, stalls or fills up, and what a terminal gets.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "live_end.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

// A pipe with a name, of which the test is the reader.
class Fifo {
  public:
    Fifo() : path_(dir_ / "fifo") {
        EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
        fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    Fifo(const Fifo&) = delete;
    Fifo& operator=(const Fifo&) = delete;
    ~Fifo() { close(); }

    const std::string& path() const { return path_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    std::string read_something() const {
        pollfd ready{fd_, POLLIN, 0};
        std::array<char, 4096> chunk{};
        if (::poll(&ready, 1, 30'000) != 1) return "";
        const ssize_t size = ::read(fd_, chunk.data(), chunk.size());
        return size > 0 ? std::string(chunk.data(), static_cast<std::size_t>(size)) : "";
    }
    // Has its writer nowhere to write to?
    bool full() const {
        const int end = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        pollfd writable{end, POLLOUT, 0};
        const int ready = ::poll(&writable, 1, 0);
        ::close(end);
        return ready == 0;
    }

  private:
    const TempDir dir_;
    const std::string path_;
    int fd_ = -1;
};

// A terminal of the test's own.
class Terminal {
  public:
    Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        EXPECT_TRUE(::grantpt(master_) == 0 && ::unlockpt(master_) == 0);
        name_ = ::ptsname(master_);
        slave_ = ::open(name_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);  // so that reading waits for a writer
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        ::close(slave_);
        ::close(master_);
    }

    const std::string& name() const { return name_; }
    std::string read_line() const {
        std::string line;
        pollfd ready{master_, POLLIN, 0};
        for (char byte = 0; byte != '\n' && ::poll(&ready, 1, 30'000) == 1 && ::read(master_, &byte, 1) == 1;)
            line += byte;
        return line;
    }

  private:
    int master_;
    int slave_ = -1;
    std::string name_;
};

// The tests of what stdout does to it. All end with 1, a message, and an empty kernel.
class Stdout : public Ending {
  protected:
    void expect_end(Bindtrace& bindtrace, const BpfObjects& objects, std::chrono::milliseconds deadline,
                    const std::string& message) {
        const auto output = bindtrace.wait_for_end(deadline);
        EXPECT_EQ(output.code, 1);
        EXPECT_NE(output.errors.find("bindtrace: "), std::string::npos);
        EXPECT_NE(output.errors.find(message), std::string::npos) << output.errors;
        EXPECT_TRUE(totals_of(output.errors)) << output.errors;
        expect_all_gone(objects);
    }
};

TEST_F(Stdout, ClosedWhileIdle) {
    Fifo fifo;
    Bindtrace bindtrace(writing_to(fifo.path(), filtered()), Bindtrace::Whole{});
    ASSERT_FALSE(fifo.read_something().empty());
    const BpfObjects objects = held_by(bindtrace);
    fifo.close();
    expect_end(bindtrace, objects, 1s, "stdout was closed by its reader");
}

// A recording of which nothing is to be written for a minute.
TEST_F(Stdout, OfARecordingClosedWhileIdle) {
    Fifo fifo;
    Bindtrace bindtrace(writing_to(fifo.path(), {"record", "-o", "-", "--netns", netns_.inum_text()}),
                        Bindtrace::Whole{});
    ASSERT_FALSE(fifo.read_something().empty());
    const BpfObjects objects = held_by(bindtrace);
    std::this_thread::sleep_for(2500ms);  // what it has to write at its beginning is written
    fifo.close();
    const auto output = bindtrace.wait_for_end(10s);
    EXPECT_EQ(output.code, 1);
    EXPECT_NE(output.errors.find("stdout was closed by its reader"), std::string::npos) << output.errors;
    expect_all_gone(objects);
}

TEST_F(Stdout, ClosedUnderLoad) {
    Fifo fifo;
    Bindtrace bindtrace(writing_to(fifo.path(), filtered()), Bindtrace::Whole{});
    ASSERT_FALSE(fifo.read_something().empty());
    const BpfObjects objects = held_by(bindtrace);
    const Load load(netns_);
    ASSERT_TRUE(load.go_on(1000) && !fifo.read_something().empty());
    fifo.close();
    expect_end(bindtrace, objects, 1s, "stdout was closed by its reader");
}

// `bindtrace | less`, and nobody scrolls: it must still listen to signals.
TEST_F(Stdout, StalledReaderDoesNotMakeItDeaf) {
    Fifo fifo;
    Bindtrace bindtrace(writing_to(fifo.path(), filtered()), Bindtrace::Whole{});
    ASSERT_FALSE(fifo.read_something().empty());
    const BpfObjects objects = held_by(bindtrace);
    const Load load(netns_);
    ASSERT_TRUE(wait_until([&] { return fifo.full(); }));
    bindtrace.signal(SIGTERM);
    const auto output = bindtrace.wait_for_end(5s);
    EXPECT_TRUE(output.code == 0 || output.code == 1) << "a signal is not served while stdout takes nothing";
    EXPECT_TRUE(totals_of(output.errors)) << output.errors;
    expect_all_gone(objects);
}

TEST_F(Stdout, WhatAStalledReaderDidNotGetIsCounted) {
    constexpr std::uint64_t kBinds = 2000;
    for (const bool json : {true, false}) {
        Fifo fifo;
        Bindtrace bindtrace(writing_to(fifo.path(), json ? filtered() : Words{"--netns", netns_.inum_text()}),
                            Bindtrace::Whole{});
        std::string got = fifo.read_something();
        ASSERT_FALSE(got.empty());
        netns_.run([] {
            for (std::uint64_t i = 0; i < kBinds; ++i)
                EXPECT_EQ(bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i)), 0);
        });
        bindtrace.signal(SIGTERM);
        const auto output = bindtrace.wait_for_end(30s);
        EXPECT_EQ(output.code, 1);
        EXPECT_NE(output.errors.find("stdout is blocked"), std::string::npos) << output.errors;
        for (std::string more = fifo.read_something(); !more.empty(); more = fifo.read_something()) got += more;
        const auto totals = totals_of(output.errors);
        ASSERT_TRUE(totals) << output.errors;
        EXPECT_EQ(totals->events, 2 * kBinds);
        const auto whole = static_cast<std::uint64_t>(std::ranges::count(got, '\n'));
        EXPECT_EQ(whole + totals->lost, 1 + 2 * kBinds) << output.errors;
    }
}

TEST_F(Stdout, FullDisk) {
    Bindtrace bindtrace(writing_to("/dev/full", filtered()), Bindtrace::Whole{});
    const auto output = bindtrace.wait_for_end(30s);
    EXPECT_EQ(output.code, 1);
    EXPECT_NE(output.errors.find("No space left on device"), std::string::npos) << output.errors;
    EXPECT_NE(output.errors.find("stdout"), std::string::npos) << output.errors;
}

TEST_F(Stdout, ClosedFromTheStart) {
    Words words = writing_to("&-", filtered());
    const Ended ended = run(words, 30s);
    EXPECT_EQ(ended.code, 1) << ended.errors;
    EXPECT_NE(ended.errors.find("stdout"), std::string::npos) << ended.errors;
}

TEST_F(Stdout, HasColourOnlyOnATerminalThatWantsIt) {
    const auto first_line = [](const std::string& environment) {
        const Terminal terminal;
        Bindtrace bindtrace({"/bin/sh", "-c", environment + " exec \"$0\" >" + terminal.name(), bindtrace_binary()},
                            Bindtrace::Whole{});
        const std::string line = terminal.read_line();
        EXPECT_EQ(bindtrace.stop(SIGTERM).code, 0);
        return line;
    };
    const std::string with = first_line("unset NO_COLOR;");
    EXPECT_NE(with.find("bindtrace "), std::string::npos) << with;
    EXPECT_NE(with.find('\x1b'), std::string::npos) << with;
    const std::string without = first_line("export NO_COLOR=1;");
    EXPECT_TRUE(without.starts_with("bindtrace ")) << without;
    EXPECT_EQ(without.find('\x1b'), std::string::npos) << without;
    Bindtrace piped(Words{});
    ASSERT_TRUE(piped.attached());
    EXPECT_EQ(piped.stop(SIGTERM).lines.at(0).text.find('\x1b'), std::string::npos);
}

TEST_F(Stdout, PlainFileHoldsEveryLine) {
    const TempDir dir;
    const std::string path = dir / "out.json";
    Bindtrace bindtrace(writing_to(path, filtered()), Bindtrace::Whole{});
    ASSERT_TRUE(wait_until([&] { return std::ifstream(path).peek() != EOF; }, 30s));
    netns_.run([] {
        for (int i = 0; i < 500; ++i) EXPECT_EQ(bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i)), 0);
    });
    const auto output = bindtrace.stop(SIGTERM);
    EXPECT_EQ(output.code, 0);
    std::ifstream file(path);
    int lines = 0;
    for (std::string line; std::getline(file, line); ++lines)
        EXPECT_TRUE(Json::parse(line, nullptr, false).is_object());
    EXPECT_EQ(lines, 1 + 2 * 500);
}

}  // namespace
}  // namespace bindtrace
