// SPDX-License-Identifier: MIT
// The same port held in several VRFs, each apart from the others: who is in the way is who is in the same one.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>

#include <cstring>
#include <string>
#include <thread>

#include "kernel_bindtrace.h"
#include "kernel_link.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kPort = 18181;

int add_vrf(const char* name, std::uint32_t table) {
    LinkRequest request;
    request.add(IFLA_IFNAME, name, std::strlen(name) + 1);
    const std::size_t info = request.add(IFLA_LINKINFO);
    request.add(IFLA_INFO_KIND, "vrf", 3);
    const std::size_t data = request.add(IFLA_INFO_DATA);
    request.add(IFLA_VRF_TABLE, &table, sizeof(table));
    request.close(data);
    request.close(info);
    return request.send();
}

int add_part(const char* name, const char* vrf) {
    const std::uint32_t master = if_nametoindex(vrf);
    LinkRequest request;
    request.add(IFLA_IFNAME, name, std::strlen(name) + 1);
    request.add(IFLA_MASTER, &master, sizeof(master));
    const std::size_t info = request.add(IFLA_LINKINFO);
    request.add(IFLA_INFO_KIND, "dummy", 5);
    request.close(info);
    return request.send();
}

// Bound to a device, or to none.
class BoundSocket : public Socket {
  public:
    explicit BoundSocket(const char* device) : Socket(SOCK_STREAM) {
        if (*device == '\0') return;
        EXPECT_EQ(setsockopt(fd(), SOL_SOCKET, SO_BINDTODEVICE, device, static_cast<socklen_t>(std::strlen(device))), 0)
            << device;
    }

    void bind_any() const {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(kPort);
        EXPECT_EQ(::bind(fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << std::strerror(errno);
    }
};

TEST(Vrf, WhoIsInTheWayIsInTheSameOne) {
    std::thread([] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const int error = add_vrf("red", 101);
        if (error == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no VRF";
        ASSERT_EQ(error, 0) << std::strerror(error);
        ASSERT_EQ(add_vrf("blue", 102), 0);
        ASSERT_EQ(add_part("part", "blue"), 0);

        const BoundSocket everywhere(""), red("red"), blue("blue"), part("part");
        for (const BoundSocket* held : {&everywhere, &red, &blue, &part}) held->bind_any();

        LateTracer tracer;
        ASSERT_TRUE(tracer.attached());
        for (const char* device : {"", "red", "blue", "part"}) {
            const Json conflict = tracer.verdict_on(kPort, BoundSocket(device));
            EXPECT_EQ(conflict["cause"], "bound");
            ASSERT_EQ(conflict["holders"].size(), 1u) << device << ": " << conflict;
            EXPECT_EQ(conflict["holders"][0]["process"]["pid"], getpid());
            const unsigned int index = if_nametoindex(device);
            EXPECT_EQ(conflict["holders"][0]["sockopt"]["bound_dev"], index != 0 ? Json(index) : Json()) << device;
        }
    }).join();
}

}  // namespace
}  // namespace bindtrace
