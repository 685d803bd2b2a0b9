// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "provoke_cgroup.h"
#include "provoke_story.h"

namespace bindtrace {
namespace {

// Where the v2 hierarchy is mounted: at /sys/fs/cgroup, at /sys/fs/cgroup/unified beside v1, or nowhere.
std::string cgroup2_mount() {
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        std::istringstream fields(line);
        std::string id, parent, device, root, at;
        fields >> id >> parent >> device >> root >> at;
        return at;
    }
    skip("no cgroup2 mount");
}

}  // namespace

Cgroup::Cgroup(const std::string& name) : Cgroup("", "/" + name + "-" + std::to_string(::getpid())) {}

Cgroup::Cgroup(const std::string& slice, const std::string& leaf)
    : mount_(cgroup2_mount()), slice_(slice), path_(slice + leaf), home_(cgroup_path()) {
    for (const std::string& folder : {slice_, path_})
        must(::mkdir((mount_ + folder).c_str(), 0755) == 0 || errno == EEXIST,
             "mkdir " + mount_ + folder + ": " + errno_name(errno));
}

Cgroup::~Cgroup() {
    leave();
    ::rmdir((mount_ + path_).c_str());
    if (!slice_.empty()) ::rmdir((mount_ + slice_).c_str());
}

void Cgroup::enter() const {
    write_file(mount_ + path_ + "/cgroup.procs", std::to_string(::getpid()));
}

void Cgroup::leave() const {
    write_file(mount_ + home_ + "/cgroup.procs", std::to_string(::getpid()));
}

}  // namespace bindtrace
