// SPDX-License-Identifier: MIT
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "provoke_cgroup.h"
#include "provoke_story.h"

namespace bindtrace {
namespace {

std::string needed_mount() {
    const auto mount = cgroup2_mount();
    if (!mount) skip("no cgroup2 mount");
    return *mount;
}

}  // namespace

Cgroup::Cgroup(const std::string& name) : Cgroup("", "/" + name + "-" + std::to_string(::getpid())) {}

Cgroup::Cgroup(const std::string& slice, const std::string& leaf)
    : mount_(needed_mount()), slice_(slice), path_(slice + leaf), home_(cgroup_path()) {
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
