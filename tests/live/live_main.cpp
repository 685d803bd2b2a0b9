// SPDX-License-Identifier: MIT
// The live tests: the real bindtrace binary (environment variable BINDTRACE) against the running kernel, with
// `--attach auto`. Needs root, iproute2, setpriv, and the real programs it watches: nginx-light, python3, a JDK, curl,
// dnsmasq-base; and for the page of a report chromium, chromium-driver. Each test plays in a network namespace of its
// own, so that other work on the machine does not disturb.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "live_bindtrace.h"
#include "live_netns.h"

int main(int argc, char** argv) {
    // What short-lived processes run: live_tests --bind-and-exit ADDRESS PORT [anything]
    if (argc >= 4 && std::strcmp(argv[1], "--bind-and-exit") == 0)
        return bindtrace::bind_and_close(argv[2], static_cast<std::uint16_t>(std::atoi(argv[3])));
    testing::InitGoogleTest(&argc, argv);
    if (!testing::GTEST_FLAG(list_tests) && geteuid() != 0) {
        std::fprintf(stderr, "live_tests: needs root\n");
        return 1;
    }
    if (!testing::GTEST_FLAG(list_tests) && access(bindtrace::bindtrace_binary().c_str(), X_OK) != 0) {
        std::fprintf(stderr, "live_tests: no program at %s; set BINDTRACE\n", bindtrace::bindtrace_binary().c_str());
        return 1;
    }
    return RUN_ALL_TESTS();
}
