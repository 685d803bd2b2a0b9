// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/unique_fd.h"
#include "enrich/file_notes.h"

namespace bindtrace {

struct StateFile {
    std::string text;
    FileStamp stamp;  // from before it was read
};

// Held open, for a look at many files below it: to walk there for each takes a third more time.
struct StateFolder {
    std::string path;
    UniqueFd fd;
};

// The files in which container runtimes keep their state. Some belong to users who may put anything there: only regular
// files are read, none that is large, and what is no JSON is not there.
class StateFiles {
  public:
    static constexpr std::size_t kLargest = std::size_t{4} << 20;  // JSON takes some 20 times as much in memory

    using Warn = std::function<void(const std::string& sentence)>;

    // root: put before each path; for tests.
    explicit StateFiles(std::string root, Warn warn) : root_(std::move(root)), warn_(std::move(warn)) {}

    StateFiles without_warnings() const {
        return StateFiles(root_, [](const std::string&) {});
    }

    // Nothing where the file is not there, or not what it should be. Where we may not read it, that is said, once.
    std::optional<std::string> text(const std::string& path, std::size_t largest = kLargest) const;
    std::optional<nlohmann::json> json(const std::string& path) const;

    // The same, to be read into a place that is there already.
    struct Opened {
        UniqueFd fd;
        FileStamp stamp;
    };
    std::optional<Opened> open(const std::string& path, std::size_t largest = kLargest) const;
    // How much was there; nothing where it cannot be read.
    static std::optional<std::size_t> read(const Opened& file, std::span<char> bytes);

    // Names of what is in a folder, in order; at most kEntries.
    std::vector<std::string> names(const std::string& path) const;

    // Nothing where the folder is not there, or we may not look into it.
    std::optional<StateFolder> folder(const std::string& path) const;
    // Nothing where not all of it can be read.
    static std::optional<std::vector<std::string>> names(const StateFolder& folder);
    std::optional<FileStamp> stamp(const StateFolder& folder, const std::string& name) const;
    std::optional<StateFile> read(const StateFolder& folder, const std::string& name,
                                  std::size_t largest = kLargest) const;

    // The home folder of a user, by the passwd file.
    std::optional<std::string> home(std::uint32_t uid) const;

    bool can_read(const std::string& folder) const;

  private:
    static constexpr std::size_t kEntries = 10'000;

    // above: the path of the folder, where that is not in the name.
    std::optional<Opened> open_at(int folder, const std::string& above, const std::string& name,
                                  std::size_t largest) const;
    std::optional<StateFile> read_at(int folder, const std::string& above, const std::string& name,
                                     std::size_t largest) const;
    void refused(const std::string& path, int error) const;

    std::string root_;
    Warn warn_;
    mutable bool warned_ = false;
};

// A string that is not empty. One that is longer than any name or path is none: it would be remembered for thousands of
// containers.
std::optional<std::string> name_of(const nlohmann::json& value);

// A member that is such a string.
std::optional<std::string> string_in(const nlohmann::json& object, const char* key);

// A member that is an object; an empty one where there is none.
const nlohmann::json& object_in(const nlohmann::json& object, const char* key);

}  // namespace bindtrace
