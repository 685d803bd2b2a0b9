// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include "live_bindtrace.h"
#include "live_bpf.h"
#include "live_load.h"
#include "live_netns.h"

namespace bindtrace {

// bindtrace with its stdout in a file of any kind. What arrives by the pipe is then nothing.
inline Words writing_to(const std::string& path, const Words& words) {
    Words argv = {"/bin/sh", "-c", "exec \"$0\" \"$@\" >" + path, bindtrace_binary()};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
}

class Ending : public testing::Test {
  protected:
    Words filtered() const { return {"--json", "--netns", netns_.inum_text()}; }

    // What it holds in the kernel now: its programs are attached, its maps are there.
    static BpfObjects held_by(const Bindtrace& bindtrace) {
        BpfObjects objects = bpf_objects_of(bindtrace.pid());
        EXPECT_FALSE(objects.programs.empty());
        EXPECT_FALSE(objects.maps.empty());
        EXPECT_EQ(still_there(objects).text(), objects.text());
        return objects;
    }

    Netns netns_;
};

inline void expect_all_gone(const BpfObjects& objects) {
    EXPECT_TRUE(all_gone(objects)) << "still in the kernel:" << still_there(objects).text();
}

}  // namespace bindtrace
