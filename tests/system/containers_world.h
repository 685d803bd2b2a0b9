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

// One of the host's own, beside the loopback's.
inline constexpr const char* kAddress = "10.9.0.2";

// A container, a port that it has, and bindtrace.
class Containers : public SystemTest {
  protected:
    // The image is in /tmp/tiny.tar, a layer of it, and below /tmp/image.
    static void SetUpTestSuite();
    static void make_alice();

    // pasta and Quadlet came with 4.4; Debian 12 has 4.3.
    static bool has_podman_before_4_4();

    // What is said of a port that somebody has.
    static Json conflict_at(std::uint16_t port);
    // Of a port that is published for two addresses: the holder at that one leads to this container and port.
    static void expect_apart(const Json& conflict, const char* address, const char* name, std::uint16_t container_port);
    static Json who(std::uint16_t port);

    static bool advises(const Json& conflict, const std::string& start);
    static void expect_published(const Json& conflict, const char* runtime, const char* name);
};

}  // namespace bindtrace
