// SPDX-License-Identifier: MIT
// The file that a recording goes to, and those it was moved out of the way to: FILE, FILE.1 (the one before) ...
// FILE.N.
//
// A capture tells of every process on the machine, and is written by root, often into /tmp: so files are made anew and
// for their owner alone, in a directory that is opened once; no name is followed where it leads elsewhere. What is
// there already is kept, unless told otherwise, and never overwritten in place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "capture/capture_writer.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace bindtrace {

struct CapturePlace {
    std::string path;              // "-" is stdout
    bool replace = false;          // what is there
    std::uint64_t file_bytes = 0;  // after which the next file is begun; 0 = never
    std::uint64_t file_ns = 0;     // the same by age
    unsigned earlier_files = 0;    // that are kept beside FILE
};

// A place that holds the recent past. By time: eight files and the one being written, each of an eighth of it (and of a
// second at least), so that what was asked for is always there. By size: eight altogether, so that it is never more.
CapturePlace keep_for(std::string path, std::uint64_t ns);
CapturePlace keep_bytes(std::string path, std::uint64_t bytes);
inline constexpr std::uint64_t kLeastFileBytes = 64 << 10;  // of a file that is to be bounded

class CaptureFiles final : public BlockOutput {
  public:
    // `signals` becomes readable when the program is to end: then a reader of a pipe that does not read is not waited
    // for.
    static Result<std::unique_ptr<CaptureFiles>> open(CapturePlace place, int signals);

    Status write(std::string_view block) override;
    bool is_full(std::size_t bytes) const override;
    Status next_file() override;
    std::size_t goal() const override;
    std::size_t share() const override;

    // Each second: an error where nobody will ever find what is being written.
    Status look_after() const;

  private:
    CaptureFiles(CapturePlace place, int signals) : place_(std::move(place)), signals_(signals) {}
    Status open_first();
    Status make_file();
    Status clear_the_way(const std::string& name) const;
    Status write_to_pipe(std::string_view block) const;
    std::string earlier_name(unsigned back) const { return name_ + "." + std::to_string(back); }

    CapturePlace place_;
    int signals_;
    std::string name_;  // in its directory; empty = stdout
    UniqueFd directory_;
    UniqueFd file_;
    std::uint64_t written_ = 0;
    std::uint64_t begun_ns_ = 0;  // boot-time clock
};

}  // namespace bindtrace
