// SPDX-License-Identifier: MIT
// What tests on a machine with real container runtimes have in common (tools/guest run --containers).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "system_world.h"

namespace bindtrace {

// All that is in the image that the containers are made of, but for this server's page.
inline constexpr const char* kServer = "/bin/busybox httpd -f -h /www -p ";

Ended shell(const std::string& script, std::chrono::milliseconds deadline = std::chrono::seconds(200));

// The same, for what cannot fail in a test that means anything.
void must(const std::string& script);

// As user alice, who has no session but a manager that lingers.
std::string as_alice(const std::string& command);

// A container, a port that it has, and bindtrace.
class Containers : public SystemTest {
  protected:
    // The image is in /tmp/tiny.tar, a layer of it, and below /tmp/image.
    static void SetUpTestSuite();
    static void make_alice();

    // What is said of a port that somebody has.
    static Json conflict_at(std::uint16_t port);
    static Json who(std::uint16_t port);

    static bool advises(const Json& conflict, const std::string& start);
    static void expect_published(const Json& conflict, const char* runtime, const char* name);
};

}  // namespace bindtrace
