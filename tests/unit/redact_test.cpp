// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>

#include "capture_samples.h"
#include "redact/redactor.h"
#include "redacted_verdict.h"
#include "sink/csv_sink.h"
#include "sink/perfetto_sink.h"

namespace bindtrace {
namespace {

class Redaction : public testing::Test {
  protected:
    Redaction() : tokens_(*Tokens::make()) {}

    std::string address(const std::string& text) const { return tokens_.address(text); }

    Tokens tokens_;
};

TEST_F(Redaction, TheSameForTheSameAndForThisKeyAlone) {
    EXPECT_EQ(tokens_.word("unit", "web"), tokens_.word("unit", "web"));
    EXPECT_NE(tokens_.word("unit", "web"), tokens_.word("unit", "web2"));
    EXPECT_EQ(tokens_.word("unit", "web").substr(5), tokens_.word("pod", "web").substr(4));
    EXPECT_NE(tokens_.word("unit", "web"), Tokens::make()->word("unit", "web"));
    EXPECT_LE(tokens_.word("comm", "x").size(), 15u) << "a thread's name has no more";
}

TEST_F(Redaction, AddressesStayWhatKindTheyAre) {
    for (const char* const kept : {"0.0.0.0", "127.0.0.1", "127.9.9.9", "::", "::1", "::ffff:127.0.0.1"})
        EXPECT_EQ(address(kept), kept);
    EXPECT_EQ(address("10.0.0.1"), address("10.0.0.1"));
    EXPECT_NE(address("10.0.0.1"), address("10.0.0.2"));
    EXPECT_GE(std::stoi(address("10.0.0.1")), 240);
    EXPECT_EQ(address("::ffff:10.0.0.1"), "::ffff:" + address("10.0.0.1"));
    EXPECT_TRUE(address("2a00:1450::1").starts_with("2001:db8:"));
    EXPECT_TRUE(address("fe80::1234").starts_with("fe80::"));
    EXPECT_TRUE(address("no address").starts_with("addr-"));
}

TEST_F(Redaction, CgroupPathsStillSayWhatTheyAre) {
    const std::string path = tokens_.cgroup_path("/system.slice/secret.service/secret");
    const UnitPlace place = place_of_cgroup(path);
    EXPECT_EQ(place.type(), "service");
    EXPECT_EQ(place.slice, "system.slice");
    EXPECT_EQ(path.find("secret"), std::string::npos) << path;
    const std::string session = "/user.slice/user-1000.slice/session-c4.scope";
    EXPECT_EQ(tokens_.cgroup_path(session), session);
    EXPECT_EQ(tokens_.cgroup_path("/user.slice/user-ann.slice").find("ann"), std::string::npos);
}

// The program that is there already was started by the same command: only equality tells, of what may not be told.
TEST_F(Redaction, VerdictsKnowTheSameProgramAgain) {
    Sampled mine(BT_KIND_BIND);
    mine.event.error = EADDRINUSE;
    mine.event.port = mine.event.sock.local_port = 8080;
    mine.cgroup_path = "/user.slice/user-1000.slice/session-4.scope";
    Sampled theirs(mine);
    theirs.event.task.key = {kBegin - 9, 4711, 1};
    Holder holder = sampled_holder(1);
    holder.process = theirs.owner();
    holder.process->process->ancestry.clear();
    holder.published.reset();
    holder.container = {};
    holder.socket_cgroup_path.reset();
    holder.raw.sock.local_port = 8080;
    Findings found = sampled_findings();
    found.holders = {holder};
    found.refusal->in_the_way = 1;
    Sampled asks(mine);
    RedactedVerdict same;
    same.expect_same("the same command", asks.event, asks.context, found);
    EXPECT_NE(std::ranges::find(same.redacted().factors, Factor::same_unit), same.redacted().factors.end());
    found.holders[0].process->process->cmdline->push_back("another");
    RedactedVerdict other;
    other.expect_same("another command", asks.event, asks.context, found);
    EXPECT_EQ(std::ranges::find(other.redacted().factors, Factor::same_unit), other.redacted().factors.end());
}

TEST_F(Redaction, VerdictsGiveNoCapabilityToAnInterpreter) {
    Sampled asks(BT_KIND_BIND);
    asks.event.error = EACCES;
    asks.event.port = 80;
    asks.cgroup_path = "/";
    asks.container = {};
    Findings found = sampled_findings();
    found.holders.clear();
    found.refusal->may_take_low_ports = false;
    for (const char* const exe : {"/usr/bin/python3.11", "/opt/app", "/opt/node"}) {
        asks.process.exe = exe;
        const Sampled settled(asks);
        RedactedVerdict().expect_same(exe, settled.event, settled.context, found);
    }
}

TEST_F(Redaction, OfAKnownProgramOnlyItsWordIsLeft) {
    Sampled told(BT_KIND_BIND);
    std::strcpy(told.event.task.comm, "pasta.secret");
    told.process.exe = "/opt/secret/python3-secret";
    told.process.cmdline = {{"secret", "--password=secret"}};
    told.process.ancestry = {{1, "podman"}, {2, "podman-secret"}};
    std::string redacted;
    JsonSink json;
    Teller teller(json, redacted);
    Redactor(tokens_, teller).event(told.event, Sampled(told).context, nullptr);
    EXPECT_EQ(redacted.find("secret"), std::string::npos) << redacted;
    for (const char* const word : {R"("comm":"pasta")", R"(/python")", R"(podman")", R"("cmdline":["argv-)"})
        EXPECT_NE(redacted.find(word), std::string::npos) << word << " in " << redacted;
}

// Everything that a record can have in it, through every format that is text.
TEST_F(Redaction, LeavesNothingInAnyFormat) {
    const std::string originals[] = {"my\\x1bapp",
                                     "calc",
                                     "us\\\"er",
                                     "us\"er",
                                     "holder.socket",
                                     "my.socket",
                                     "\"web\"",
                                     "web-1",
                                     "shop",
                                     "nginx",
                                     "tiny",
                                     "\"d0c5\"",
                                     ",d0c5,",
                                     "\x04"
                                     "d0c5",
                                     "1-2",
                                     "ho\\\"st",
                                     "ho\"st",
                                     "51.51.51",
                                     "34.34.34",
                                     "1111:1111",
                                     "3333:3333",
                                     "172.17.0.2",
                                     "systemd",
                                     "\"sh\"",
                                     "secret.service",
                                     "node.service",
                                     "/bin/",
                                     "exec web"};
    Meta meta = sampled_meta();
    meta.filters.emplace_back("--unit secret.service");
    meta.filters.emplace_back("secret.service");  // of no option that is known here
    const auto tell = [&](Receiver& receiver) {
        receiver.meta(meta);
        const Sampled refused(BT_KIND_BIND);
        Sampled failed(refused);
        failed.event.error = EADDRINUSE;
        const Findings found = sampled_findings();
        receiver.event(failed.event, failed.context, &found);
        failed.event.error = EADDRNOTAVAIL;  // whose verdict names all addresses
        Findings addresses = found;
        addresses.holders.clear();
        addresses.refusal.reset();
        addresses.local_addresses->front().interface = "secret.service";
        addresses.local_addresses->front().address[0] = 51;
        receiver.event(failed.event, failed.context, &addresses);
        const Sampled released(BT_KIND_RELEASE);
        receiver.event(released.event, released.context, nullptr);
        Warning warning = sampled_warning();
        warning.entry.owners.push_back({OwnerRule::Kind::container, "secret.service"});
        warning.entry.owners.push_back({OwnerRule::Kind::user, "us\"er"});
        warning.reason = WarningReason::ephemeral;  // whose words have the network namespace
        receiver.warning(warning);
        warning = sampled_service_without_port();
        warning.claim.process->cgroup_path = "/system.slice/secret.service";
        receiver.warning(warning);
        receiver.checkpoint({.ports = {{.holder = sampled_holder(3), .processes = 1}}});
    };
    JsonSink json(true);  // the host in each line
    CsvSink csv;
    PerfettoSink perfetto;
    for (Sink* const sink : {static_cast<Sink*>(&json), static_cast<Sink*>(&csv), static_cast<Sink*>(&perfetto)}) {
        std::string plain, redacted;
        Teller plain_teller(*sink, plain);
        tell(plain_teller);
        Teller teller(*sink, redacted);
        Redactor redactor(tokens_, teller);
        tell(redactor);
        ASSERT_NE(plain.find("calc"), std::string::npos) << "this test would find nothing";
        for (const std::string& original : originals)
            EXPECT_EQ(redacted.find(original), std::string::npos) << original << " in " << redacted;
        EXPECT_NE(redacted.find("8001"), std::string::npos) << "ports stay";
    }
}

}  // namespace
}  // namespace bindtrace
