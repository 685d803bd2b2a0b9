// SPDX-License-Identifier: MIT
// Is a claim its owner's, and what is told where it is not?
#include "registry/port_watch.h"

#include "diagnose/warning_words.h"
#include "host_state.h"

namespace bindtrace {
namespace {

const Person kExporter = {"node_exporter", 900, "/system.slice/node_exporter.service", "/usr/bin/node_exporter"};
const Person kStranger = {"metrics", 901, "/system.slice/metrics.service", "/usr/bin/metrics", "metrics", 997};

HeldSocket ephemeral(HeldSocket socket) {
    socket.holder.raw.flags |= BT_EVENT_EPHEMERAL;
    return socket;
}

class Watch : public CheckedHost {
  protected:
    PortWatch watch(const std::string& registry) {
        auto entries = parse_registry(registry, "ports.toml");
        EXPECT_TRUE(entries) << entries.error().what;
        return {std::move(*entries),
                {.inum = [this](const std::string& name) { return state_.netns[name].inum; },
                 .sysctls = [this](const std::string& name) { return state_.netns[name].sysctls; },
                 .units = [this] { return UnitFiles(root_.path()); }}};
    }
    // Of one entry. "": it is the owner's; "-": no entry speaks of it.
    std::string reason(const std::string& entry, const HeldSocket& claim) {
        PortWatch watched = watch("[[port]]\n" + entry);
        const PortEntry* const found = watched.entry_of(claim.holder.raw.sock);
        if (found == nullptr) return "-";
        last_ = watched.judge(*found, claim);
        return last_ ? std::string(warning_reason_name(last_->reason)) : "";
    }

    std::optional<Warning> last_;
};

TEST_F(Watch, TheOwnerIsNotWarnedOf) {
    const std::string entry = "port = 9100\nowner = 'node_exporter.service'";
    const HeldSocket socket = held({"0.0.0.0", 9100});
    EXPECT_EQ(reason(entry, by(socket, kExporter)), "");
    Person again = kExporter;
    again.pid = 1900;
    EXPECT_EQ(reason(entry, by(socket, again)), "") << "restarted";
    again.comm = "helper";
    again.exe = "/usr/lib/helper";
    EXPECT_EQ(reason(entry, by(socket, again)), "") << "a child of it";
    EXPECT_EQ(reason(entry, ephemeral(by(connected(socket, "10.0.0.5", 80), kExporter))), "") << "as a client";
    unit("node_exporter.socket", "[Socket]\nListenStream=9100\n");
    const Person systemd = {"systemd", 1, "/init.scope", "/usr/lib/systemd/systemd"};
    EXPECT_EQ(reason(entry, made_for(by(socket, systemd), "/system.slice/node_exporter.socket")), "");
    EXPECT_EQ(reason("port = 9100\nowner = 'exe:/usr/bin/node_exporter'", by(socket, kExporter)), "");
    EXPECT_EQ(reason("port = 9100\nowner = 'user:root'", by(socket, kExporter)), "");
}

TEST_F(Watch, TellsHowItWasTaken) {
    const std::string entry = "port = 9100\nowner = 'node_exporter.service'";
    const HeldSocket socket = held({"0.0.0.0", 9100});
    EXPECT_EQ(reason(entry, by(socket, kStranger)), "other-owner");
    EXPECT_EQ(reason(entry, ephemeral(by(connected(socket, "10.0.0.5", 80), kStranger))), "ephemeral");
    HeldSocket proxy = by(socket, {"docker-proxy", 77, "/system.slice/docker.service", "/usr/bin/docker-proxy"});
    proxy.holder.published = Published{.host_port = 9100, .container_port = 9100, .runtime = "docker"};
    proxy.holder.container.container = Container{.runtime = "docker", .id = "abc", .name = "metrics", .image = {}};
    EXPECT_EQ(reason(entry, proxy), "container-published");
    EXPECT_EQ(reason("port = 9100\nowner = 'container:metrics'", proxy), "");
    Person unseen = kStranger;
    unseen.cgroup = nullptr;
    EXPECT_EQ(reason(entry, by(socket, unseen)), "unknown-owner");
    EXPECT_EQ(last_->unknown, "the cgroup of its holder is not known");
    EXPECT_EQ(reason("port = 9100\nowner = 'free'", by(socket, kExporter)), "other-owner");
}

TEST_F(Watch, FamilyProtocolAddressAndNamespaceCount) {
    const std::string rest = "\nowner = 'free'";
    const HeldSocket v6 = by(held({"::1", 9100}), kStranger), v4 = by(held({"10.0.0.1", 9100}), kStranger);
    EXPECT_EQ(reason("port = 9101" + rest, v4), "-");
    EXPECT_EQ(reason("port = 9100\nproto = 'udp'" + rest, v4), "-");
    EXPECT_EQ(reason("port = 9100\nproto = 'udp'" + rest, by(held({"10.0.0.1", 9100, IPPROTO_UDP}), kStranger)),
              "other-owner");
    EXPECT_EQ(reason("port = 9100\naddress = '10.0.0.2'" + rest, v4), "-");
    EXPECT_EQ(reason("port = 9100\naddress = '10.0.0.1'" + rest, v4), "other-owner");
    EXPECT_EQ(reason("port = 9100\naddress = '0.0.0.0'" + rest, v6), "-");
    EXPECT_EQ(reason("port = '9000-9200'\naddress = '::1'" + rest, v6), "other-owner");
    EXPECT_EQ(reason("port = 9100\nnetns = 'web'" + rest, v4), "-") << "there is no such namespace";
    state_.netns["web"] = {kNetns + 1, {}};
    EXPECT_EQ(reason("port = 9100\nnetns = 'web'" + rest, v4), "-");
    HeldSocket there = v4;
    there.holder.raw.sock.netns = kNetns + 1;
    EXPECT_EQ(reason("port = 9100\nnetns = 'web'" + rest, there), "other-owner");
    EXPECT_EQ(reason("port = 9100" + rest, there), "-");
}

TEST_F(Watch, AUnitThatIsInstalledMeanwhileIsKnown) {
    PortWatch watched = watch("[[port]]\nport = 9100\nowner = 'late.service'");
    unit("late-run.service", "[Service]\n");
    std::filesystem::create_symlink("late-run.service", root_ / "etc/systemd/system/late.service");
    const HeldSocket claim = by(held({"0.0.0.0", 9100}), {"late", 5, "/system.slice/late-run.service"});
    EXPECT_FALSE(watched.judge(watched.entries()[0], claim));
}

TEST_F(Watch, TheSettingThatReservesThePortIsMergedWithWhatIsThere) {
    sysctls() = {.ephemeral = std::pair<std::uint16_t, std::uint16_t>{9000, 60999},
                 .reserved = parse_port_set("9050,50000"),
                 .unprivileged_start = 1024};
    PortWatch watched = watch(
        "[[port]]\nport = '9100-9101'\nowner = 'node_exporter.service'\n[[port]]\nport = 9300\nowner = 'free'\n"
        "[[port]]\nport = 80\nowner = 'free'\n");
    const HeldSocket claim = ephemeral(by(connected(held({"10.0.0.1", 9100}), "10.0.0.5", 8848), kStranger));
    const auto warning = watched.judge(watched.entries()[0], claim);
    ASSERT_TRUE(warning);
    EXPECT_EQ(warning->reserved, "9050,9100-9101,9300,50000");
    const WarningWords words = words_of(*warning);
    EXPECT_EQ(words.summary,
              "tcp 9100-9101 is registered for node_exporter.service (ports.toml:1), and taken by metrics[901] "
              "metrics.service: the kernel chose it as the source port of its connection to 10.0.0.5:8848");
    ASSERT_EQ(words.advice.size(), 2u);
    EXPECT_EQ(words.advice[0], "sysctl -w net.ipv4.ip_local_reserved_ports=9050,9100-9101,9300,50000");
    EXPECT_EQ(words.advice[1], "systemctl restart metrics.service");
    sysctls().reserved = parse_port_set("9100");
    EXPECT_EQ(watched.judge(watched.entries()[0], claim)->reserved, "") << "it was given before it was reserved";
}

TEST_F(Watch, SharedBySoReuseport) {
    PortWatch watched = watch("[[port]]\nport = 9100\nowner = 'node_exporter.service'");
    const PortEntry& entry = watched.entries()[0];
    HeldSocket owner = with(by(held({"0.0.0.0", 9100}), kExporter), BT_OPT_REUSEPORT);
    HeldSocket joined = with(by(held({"10.0.0.1", 9100}), kStranger), BT_OPT_REUSEPORT);
    owner.holder.raw.sock.cookie = 1;
    joined.holder.raw.sock.cookie = 2;
    EXPECT_TRUE(watched.is_joined(entry, joined, owner));
    EXPECT_FALSE(watched.is_joined(entry, joined, joined)) << "itself";
    EXPECT_FALSE(watched.is_joined(entry, joined, by(held({"0.0.0.0", 9100}), kExporter))) << "not by SO_REUSEPORT";
    EXPECT_FALSE(watched.is_joined(entry, joined, with(by(held({"10.0.0.2", 9100}), kExporter), BT_OPT_REUSEPORT)));
    EXPECT_FALSE(watched.is_joined(entry, joined, with(by(held({"0.0.0.0", 9100}), kStranger), BT_OPT_REUSEPORT)));
}

TEST_F(Watch, OneNamespaceWithTwoNamesHasOneLineToReserve) {
    sysctls().ephemeral = {9000, 9999};
    sysctls().reserved = PortSet();
    state_.netns["host"] = state_.netns[""];
    PortWatch watched = watch(
        "[[port]]\nport = 9100\nowner = 'node_exporter.service'\n[[port]]\nport = 9200\nowner = 'free'\nnetns = "
        "'host'");
    const HeldSocket claim = ephemeral(by(connected(held({"10.0.0.1", 9100}), "10.0.0.5", 8848), kStranger));
    EXPECT_EQ(watched.judge(watched.entries()[0], claim)->reserved, "9100,9200");
}

}  // namespace
}  // namespace bindtrace
