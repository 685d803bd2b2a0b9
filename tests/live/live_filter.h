// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>

#include "live_bindtrace.h"
#include "live_bpf.h"
#include "live_netns.h"

namespace bindtrace {

// Runs a bindtrace with filters while something is provoked in a network namespace of the test's own.
class FilterTest : public testing::Test {
  protected:
    // What bindtrace tells of it, in order. `words` come on top of --netns for that namespace.
    Words told(Words words, const std::function<void()>& provoke) {
        words.insert(words.begin(), {"--json", "--netns", netns_.inum_text()});
        events_.clear();
        Bindtrace bindtrace(words);
        if (!bindtrace.attached()) {
            ADD_FAILURE() << "bindtrace does not start:\n" << bindtrace.stop(SIGTERM).errors;
            return {};
        }
        netns_.run(provoke);
        submitted_ = events_submitted(bindtrace.pid());
        const auto output = bindtrace.stop(SIGTERM);
        EXPECT_EQ(output.code, 0) << output.errors;
        events_ = events_of(output.lines);
        return briefs(events_);
    }

    // The same where the kernel itself is to hold back what is not wanted: it never enters the ring buffer.
    Words told_by_kernel(const Words& words, const std::function<void()>& provoke) {
        Words told_now = told(words, provoke);
        EXPECT_EQ(submitted_, told_now.size()) << "filtered in user space, not in the kernel";
        return told_now;
    }

    Netns netns_;
    std::vector<Json> events_;     // of the last run
    std::uint64_t submitted_ = 0;  // by the kernel side, in the last run
};

}  // namespace bindtrace
