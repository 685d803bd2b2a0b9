// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "system_world.h"

namespace {

[[noreturn]] void stay() {
    for (;;) pause();
}

}  // namespace

// --bind PORT, --listen PORT, --child-listens PORT, --stay PORT (also where it is refused), --activated PORT (with the
// listening socket it was given): what the units run. Without them: the tests.
int main(int argc, char** argv) {
    using namespace bindtrace;
    const std::string_view mode = argc == 3 ? argv[1] : "";
    const auto port = static_cast<std::uint16_t>(argc == 3 ? std::atoi(argv[2]) : 0);
    if (mode == "--bind") return take_port(port, false) == 0 ? 0 : 1;
    if (mode == "--listen" || mode == "--child-listens") {
        if (mode == "--child-listens" && fork() != 0) stay();
        int kept = -1;
        if (take_port(port, true, &kept) != 0) return 1;
        stay();
    }
    if (mode == "--stay") {
        int kept = -1;
        take_port(port, true, &kept);
        stay();
    }
    if (mode == "--activated") stay();
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
