// SPDX-License-Identifier: MIT
// Captures of several hosts and files, made up.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "capture/capture_set.h"
#include "capture_samples.h"
#include "temp_dir.h"

namespace bindtrace {

// Files in memory, one more whenever it is asked for.
class MemoryFiles final : public BlockOutput {
  public:
    Status write(std::string_view block) override {
        files.back() += block;
        return {};
    }
    bool is_full(std::size_t) const override { return std::exchange(full, false); }
    Status next_file() override {
        files.emplace_back();
        return {};
    }

    std::vector<std::string> files{""};
    mutable bool full = false;
};

// A host whose boot-time clock began when it likes.
struct SampledHost {
    std::string name;
    std::uint64_t recording = 1;
    std::uint64_t boot_ns = 0;  // later than that of sampled_meta()

    // Events at these seconds after the beginning of sampled_meta(), a file for each list; held from the start: one
    // port.
    std::vector<std::string> files(const std::vector<std::vector<unsigned>>& seconds) const {
        MemoryFiles memory;
        CaptureWriter writer(memory);
        Meta meta = sampled_meta();
        meta.host = name;
        meta.ktime_ns = kBegin - boot_ns;
        Host host{.recording = recording, .machine_id = name, .boot_id = name + "'s boot"};
        EXPECT_TRUE(writer.start(meta, host, {{.holder = sampled_holder(1), .processes = 1}}, true));
        for (std::size_t file = 0; file < seconds.size(); ++file) {
            for (const unsigned second : seconds[file]) {
                Sampled claim(BT_KIND_BIND, second);
                claim.event.ktime_ns = meta.ktime_ns + second * 1'000'000'000ull;
                claim.context.time_ns = meta.time_ns + second * 1'000'000'000ll;
                claim.event.sock.local_port = 7000;
                writer.event(claim.event, claim.context, nullptr);
            }
            EXPECT_TRUE(writer.tick(meta.time_ns, meta.ktime_ns));
            memory.full = file + 1 < seconds.size();
            EXPECT_TRUE(writer.tick(meta.time_ns, meta.ktime_ns));
        }
        EXPECT_TRUE(writer.finish());
        return memory.files;
    }
};

// What was handed over, a word each: "web:meta", "web:3" (the second of an event).
class Stream final : public BlockReceiver {
  public:
    CaptureReader::Choice begin_block(const BlockHeader&) override { return CaptureReader::Choice::read; }
    void begin_of(std::uint64_t recording) override { recording_ = recording; }
    void meta(const Meta& meta) override {
        if (hosts_.emplace(recording_, meta.host).second) words.push_back(meta.host + ":meta");
    }
    void event(const Event&, const Context& context, const Findings*) override {
        words.push_back(hosts_[recording_] + ":" +
                        std::to_string((context.time_ns - sampled_meta().time_ns) / 1'000'000'000));
    }
    void loss(const Loss&) override {}

    std::vector<std::string> words;

  private:
    std::uint64_t recording_ = 0;
    std::map<std::uint64_t, std::string> hosts_;
};

}  // namespace bindtrace
