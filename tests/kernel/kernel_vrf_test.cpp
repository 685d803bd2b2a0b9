// SPDX-License-Identifier: MIT
// The same port held in several VRFs, each apart from the others: who is in the way is who is in the same one.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "kernel_bindtrace.h"
#include "kernel_link.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kVrfPort = 18181;

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
    const std::uint32_t master = vrf != nullptr ? if_nametoindex(vrf) : 0;
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
        address.sin_port = htons(kVrfPort);
        EXPECT_EQ(::bind(fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << std::strerror(errno);
    }
};

void add_address(const char* device, const char* address) {
    ifreq request{};
    std::strncpy(request.ifr_name, device, sizeof request.ifr_name - 1);
    auto* four = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    four->sin_family = AF_INET;
    ASSERT_EQ(inet_pton(AF_INET, address, &four->sin_addr), 1);
    ASSERT_EQ(ioctl(Socket(SOCK_DGRAM).fd(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
}

TEST(Vrf, AnAddressIsThatOfItsVrf) {
    std::thread([] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const int error = add_vrf("red", 101);
        if (error == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no VRF";
        ASSERT_EQ(error, 0) << std::strerror(error);
        ASSERT_EQ(add_part("part", "red"), 0);
        ASSERT_EQ(add_part("apart", nullptr), 0);
        add_address("part", "10.7.0.1");
        add_address("apart", "10.8.0.1");
        LateTracer tracer;
        ASSERT_TRUE(tracer.attached());
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(kVrfPort);

        ASSERT_EQ(inet_pton(AF_INET, "10.7.0.1", &address.sin_addr), 1);
        const Json outside = tracer.verdict_on(BoundSocket(""), address, EADDRNOTAVAIL);
        EXPECT_EQ(outside["summary"], "10.7.0.1 is on part in VRF red, but was asked for outside of it");
        EXPECT_EQ(
            outside["advice"],
            Json::array({"set SO_BINDTODEVICE red on the socket before bind, or run it in the VRF: ip vrf exec red"}));
        EXPECT_EQ(::bind(BoundSocket("red").fd(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);  // as advised

        ASSERT_EQ(inet_pton(AF_INET, "10.8.0.1", &address.sin_addr), 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(300));  // addresses are looked at four times a second
        const Json inside = tracer.verdict_on(BoundSocket("red"), address, EADDRNOTAVAIL);
        EXPECT_EQ(inside["summary"], "10.8.0.1 is on apart, but was asked for on red");
        EXPECT_EQ(inside["advice"], Json::array({"bind without SO_BINDTODEVICE: apart is in no VRF"}));
        EXPECT_EQ(::bind(BoundSocket("").fd(), reinterpret_cast<sockaddr*>(&address), sizeof address),
                  0);  // as advised
    }).join();
}

// With net.ipv4.tcp_l3mdev_accept.
TEST(Vrf, PortsOfAllMayBeOne) {
    std::thread([] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        const int error = add_vrf("red", 101);
        if (error == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no VRF";
        ASSERT_EQ(error, 0) << std::strerror(error);
        std::ofstream("/proc/sys/net/ipv4/tcp_l3mdev_accept") << 1;
        const BoundSocket everywhere("");
        everywhere.bind_any();
        LateTracer tracer;
        ASSERT_TRUE(tracer.attached());
        const Json conflict = tracer.verdict_on(kVrfPort, BoundSocket("red"));
        ASSERT_EQ(conflict["holders"].size(), 1u) << conflict;
        EXPECT_EQ(conflict["holders"][0]["process"]["pid"], getpid());
    }).join();
}

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
            const Json conflict = tracer.verdict_on(kVrfPort, BoundSocket(device));
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
