// SPDX-License-Identifier: MIT
// The kernel tests: provoke makes something happen in a fresh network namespace and says which events it expects; the
// bindtrace that has been running all the time must have reported exactly these, every key as stated. See
// kernel_world.h for the environment. Needs root.
//
//     BINDTRACE=build/bindtrace PROVOKE=build/provoke BT_STRATEGY=fentry kernel_test --gtest_filter='Case.bind_*'
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernel_flood.h"
#include "kernel_missed_returns.h"
#include "kernel_world.h"

namespace bindtrace {
namespace {

class Runs : public testing::Test {
  public:
    explicit Runs(std::function<void()> body) : body_(std::move(body)) {}
    void TestBody() override { body_(); }

  private:
    std::function<void()> body_;
};

void add(const char* suite, std::string name, const std::function<void()>& body) {
    std::replace(name.begin(), name.end(), '-', '_');  // a dash would end the pattern in --gtest_filter
    testing::RegisterTest(suite, name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [body]() -> Runs* { return new Runs(body); });
}

void add_all(World& world, const std::vector<CaseName>& cases) {
    for (const CaseName& it : cases) {
        if (!it.slow) add("Case", it.name, [&world, it] { world.check({it.name}); });
    }
    add("ShortLived", "all", [&world] { world.check({"short-lived", std::to_string(world.settings().short_lived)}); });
    for (const CaseName& it : cases) {
        if (it.slow) add("SlowCase", it.name, [&world, it] { world.check_slow(it.name); });
    }
    add("Stream", "complete_and_without_loss", [&world] { world.check_records(); });
    if (world.settings().strategy == "kprobe") add("MissedReturns", "are_counted", missed_returns_are_counted);
    add("Flood", "is_told_or_counted_as_lost", [&world] {
        world.stop_tracing();  // it would be flooded too
        flood_is_told_or_counted_as_lost();
    });
}

}  // namespace
}  // namespace bindtrace

int main(int argc, char** argv) {
    using namespace bindtrace;
    testing::InitGoogleTest(&argc, argv);
    std::signal(SIGPIPE, SIG_IGN);
    try {
        const Settings settings = Settings::from_environment(argv[0]);
        const std::vector<CaseName> cases = list_cases(settings.provoke);
        auto* world = new World(settings, cases);  // gtest owns it
        testing::AddGlobalTestEnvironment(world);
        add_all(*world, cases);
        return RUN_ALL_TESTS();
    } catch (const std::runtime_error& error) {
        std::fprintf(stderr, "kernel_test: %s\n", error.what());
        return 1;
    }
}
