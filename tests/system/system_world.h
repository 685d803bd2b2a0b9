// SPDX-License-Identifier: MIT
// What tests on a machine with systemd as process 1 have in common: bindtrace that runs all the time, and units that
// are stopped when their test is over. The test program itself is what they run: see main(). It records what it tells:
// when the suite is over, that must be told again from the capture, to programs and to people.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "live/live_bindtrace.h"

namespace bindtrace {

// The errno of the bind; with `listening`, of either.
int take_port(std::uint16_t port, bool listening, int* kept = nullptr, int type = SOCK_STREAM);

bool has(const Json& list, std::string_view word);

class SystemTest : public testing::Test {
  protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite();
    void TearDown() override;

    // Gives its exit code.
    static int systemctl(Words words);

    // Each test has its own: what is left of a login ends some seconds later, and takes the user's manager with it.
    static void make_user(const std::string& name, const std::string& uid);

    void unit(const std::string& name, const std::string& text);
    static void drop_in(const std::string& name, const std::string& text);

    // The [Service] part of a unit that runs this program.
    static std::string service(const std::string& words, const std::string& settings);

    // The next bind of that port that ended so. Each is found once.
    static Json bind_of(std::uint16_t port, const std::string& result);

  private:
    static void expect_told_again(const std::vector<Line>& live);

    static inline std::unique_ptr<Bindtrace> bindtrace_;
    static inline std::size_t looked_at_ = 0;  // of its lines
    Words units_;
};

}  // namespace bindtrace
