// SPDX-License-Identifier: MIT
// A port below 1024 for a program that is not root's: refused, until the program's file has the capability.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "provoke.h"
#include "provoke_cgroup.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kPort = 80;

// A copy of this program, whose file may be changed.
class Program {
  public:
    Program() {
        std::filesystem::remove_all(folder_);                                           // of a run that was killed
        must(::mkdir(folder_.c_str(), 0700) == 0, folder_ + ": " + errno_name(errno));  // ours, not one that was there
        ::chmod(folder_.c_str(), 0755);
        std::filesystem::copy_file(own_exe(), path());
    }
    ~Program() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    std::string path() const { return folder_ + "/low-port"; }

    // What setcap cap_net_bind_service=+ep writes.
    void set_capability() const {
        vfs_cap_data set{};
        set.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
        set.data[0].permitted = 1U << CAP_NET_BIND_SERVICE;
        must(::setxattr(path().c_str(), "security.capability", &set, XATTR_CAPS_SZ_2, 0) == 0,
             "setcap: " + errno_name(errno));
    }

    // Runs it as a user: what bindtrace must say of its bind.
    void bind(int error) const {
        Child server([&](Story& told) {
            become_user(1000);
            Json event = task_facts();
            event["process"].update(
                {{"comm", "low-port"},
                 {"exe", path()},
                 {"cmdline", {path(), "bind-and-exit", std::to_string(kPort), std::to_string(error)}}});
            event["netns"] = {{"inum", netns_inum()}};
            Json release = event;
            event.update({{"type", "bind"}, {"op", "bind"}, {"port", kPort}, {"result", errno_name(error)}});
            Expectation& line = told.expect(event);
            if (error == 0) {
                release.update({{"type", "release"}, {"op", "exit"}, {"local_port", kPort}});
                told.expect(release);
            } else {
                verdict(line, "privileged-port").event["conflict"]["advice"] = {
                    "setcap cap_net_bind_service=+ep " + path(), "take a port from 1024 on"};
            }
            told.print();
            ::execl(path().c_str(), path().c_str(), "bind-and-exit", std::to_string(kPort).c_str(),
                    std::to_string(error).c_str(), nullptr);
            fail("exec: " + errno_name(errno));
        });
        server.join();
    }

  private:
    const std::string folder_ = "/tmp/bindtrace-setcap";  // the same under each strategy, whose records are compared
};

void of_the_file(Story& story) {
    const auto nowhere = std::make_shared<Cgroup>("bindtrace-setcap");  // no unit, which would have a setting for it
    story.keep(nowhere);
    nowhere->enter();
    const auto program = std::make_shared<Program>();
    story.keep(program);
    program->bind(EACCES);
    program->set_capability();  // as advised
    program->bind(0);
}

}  // namespace

std::vector<Case> capability_cases() {
    return {{"conflict-setcap", of_the_file, false, false, true}};
}

}  // namespace bindtrace
