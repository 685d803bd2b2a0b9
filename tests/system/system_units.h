// SPDX-License-Identifier: MIT
// Units that a test makes, and that go with it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "live/live_bindtrace.h"

namespace bindtrace {

class SystemUnits : public testing::Test {
  protected:
    void TearDown() override {
        Words stop = units_;
        stop.insert(stop.begin(), "stop");
        if (!units_.empty()) systemctl(stop);
    }

    // Gives its exit code.
    static int systemctl(Words words) {
        words.insert(words.begin(), "/usr/bin/systemctl");
        return run(words, std::chrono::seconds(90)).code.value_or(-1);
    }

    void unit(const std::string& name, const std::string& text) {
        std::ofstream("/run/systemd/system/" + name) << text;
        units_.push_back(name);
        ASSERT_EQ(systemctl({"daemon-reload"}), 0);
    }
    static void drop_in(const std::string& name, const std::string& text) {
        std::filesystem::create_directories("/run/systemd/system/" + name + ".d");
        std::ofstream("/run/systemd/system/" + name + ".d/advised.conf") << text;
        ASSERT_EQ(systemctl({"daemon-reload"}), 0);
    }

    // The [Service] part of a unit that runs this program.
    static std::string service(const std::string& words, const std::string& settings) {
        const char* libraries = std::getenv("LD_LIBRARY_PATH");
        return "[Service]\nExecStart=" + own_program() + " " + words +
               "\nEnvironment=LD_LIBRARY_PATH=" + (libraries != nullptr ? libraries : "") + "\n" + settings + "\n";
    }

  private:
    Words units_;
};

}  // namespace bindtrace
