// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace bindtrace {

// A new cgroup at the top of the hierarchy, removed with the object. The process goes back to where it came from.
class Cgroup {
  public:
    explicit Cgroup(const std::string& name);
    // As systemd would make it: Cgroup("/my.slice", "/my.service").
    Cgroup(const std::string& slice, const std::string& leaf);
    ~Cgroup();
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;

    const std::string& path() const { return path_; }
    std::string directory() const { return mount_ + path_; }
    void enter() const;
    void leave() const;

  private:
    std::string mount_;
    std::string slice_;
    std::string path_;
    std::string home_;
};

}  // namespace bindtrace
