// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

#include "live_end.h"
#include "unit/temp_dir.h"
#include "unit/wait_until.h"

namespace bindtrace {

class Recording : public Ending {
  protected:
    Words record(const std::string& file, const Words& more = {}) const {
        Words words = {"record", "-o", file, "--netns", netns_.inum_text()};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
    std::string capture() const { return dir_ / "x.btcap"; }

    // Is everything attached, and the beginning written?
    static bool is_recording(const std::string& file) {
        return wait_until([&] { return replayed(file).out.find("\"meta\"") != std::string::npos; },
                          std::chrono::seconds(30));
    }
    static Ended replayed(const std::string& file, const Words& more = {}) {
        Words words = {"replay", "--json", file};
        words.insert(words.end(), more.begin(), more.end());
        return run_bindtrace(words);
    }
    static std::size_t lines_with(const std::string& text, const std::string& word) {
        std::size_t count = 0;
        for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
        return count;
    }

    TempDir dir_;
};

}  // namespace bindtrace
