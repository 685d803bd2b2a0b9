// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "core/unique_fd.h"

namespace bindtrace {

// A file that is there as a whole or not at all: written beside its place, for its owner alone, and moved there when it
// is complete.
class WholeFile {
  public:
    // Looks whether it could be made; what is there already is kept, unless it is to be replaced. Makes nothing yet.
    static Result<WholeFile> at(const std::string& path, bool replace);

    Status write(std::string_view bytes) const;

  private:
    WholeFile() = default;
    Status is_free() const;
    Status write_beside(const std::string& beside, std::string_view bytes) const;
    Status move_here(const std::string& beside) const;

    std::string path_, name_;  // the name in the directory
    bool replace_ = false;
    UniqueFd directory_;
};

}  // namespace bindtrace
