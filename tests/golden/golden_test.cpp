// SPDX-License-Identifier: MIT
// Records in, exact text and JSON out. Each test is a group of records and one file NAME.golden beside this one:
//
//     # what happened
//     the text line
//     the JSON line
//
// UPDATE_GOLDEN=1 writes the files from what the sinks say now; the diff is then what to review.
#include "golden.h"

namespace bindtrace {
namespace {

Meta example_meta() {
    return {kTime, kKtime, "0.1.0", "web1", "6.1.0-18-amd64", "fentry", {"--port 8080", "--proto tcp,udp"}};
}

TEST_F(Golden, Bind) {
    const Story base(BT_KIND_BIND, BT_OP_BIND);
    add("bind ok, IPv4", Story(base).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080}));

    Story v6(base);
    v6.ask({"2001:db8::10", 443}).hold({"2001:db8::10", 443});
    v6.event.sock.opts = BT_OPT_REUSEADDR | BT_OPT_V6ONLY;
    add("bind ok, IPv6", v6);

    add("bind to port 0: the kernel chose", Story(base).ask({"127.0.0.1", 0}).hold({"127.0.0.1", 34567}).ephemeral());
    add("bind EADDRINUSE", Story(base).ask({"0.0.0.0", 8080}).fail(EADDRINUSE));
    add("bind EADDRINUSE, IPv6 wildcard", Story(base).ask({"::", 8080}).fail(EADDRINUSE));
    add("bind to port 0 EADDRINUSE: range exhausted", Story(base).ask({"10.0.0.1", 0}).fail(EADDRINUSE).ephemeral());
    add("bind EINVAL: the socket has a port already",
        Story(base).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 9000}).fail(EINVAL));
    add("bind EBADF: no socket", Story(base).without_sock().ask({"0.0.0.0", 8080}).fail(EBADF));
    Story unread = Story(base).ask({"192.0.2.1", 1}).fail(EFAULT);
    unread.event.flags &= ~static_cast<std::uint32_t>(BT_EVENT_HAS_REQUEST);
    add("bind EFAULT: no address, whatever the bytes say", unread);

    Story other_family(base);
    other_family.ask({"0.0.0.0", 8080}).fail(EAFNOSUPPORT);
    other_family.event.addr_family = AF_UNIX;
    add("bind EAFNOSUPPORT: the address is of another family", other_family);

    Story no_port(base);
    no_port.ask({"10.0.0.1", 0}).hold({"10.0.0.1", 0});
    no_port.event.sock.opts = BT_OPT_NO_PORT;
    add("bind ok with IP_BIND_ADDRESS_NO_PORT", no_port);

    Story device(base);
    device.ask({"0.0.0.0", 68}).hold({"0.0.0.0", 68}).socket(IPPROTO_UDP, SOCK_DGRAM);
    device.event.sock.bound_dev = 2;
    device.event.sock.opts = BT_OPT_REUSEADDR | BT_OPT_REUSEPORT | BT_OPT_V6ONLY | BT_OPT_FREEBIND | BT_OPT_TRANSPARENT;
    add("bind ok, UDP, bound to a device, every option an IPv4 socket has", device);

    add("bind with an errno of the kernel's own", Story(base).ask({"0.0.0.0", 8080}).fail(524));
    add_unattributed("bind EACCES, nothing could be looked up", Story(base).ask({"0.0.0.0", 80}).fail(EACCES));
    expect_file("bind");
}

TEST_F(Golden, Listen) {
    const Story base = Story(BT_KIND_LISTEN, BT_OP_LISTEN).hold({"0.0.0.0", 8080});
    add("listen ok", Story(base).move(0, TCP_LISTEN));
    add("listen EADDRINUSE", Story(base).fail(EADDRINUSE));
    add("listen on an unbound socket", Story(base).hold({"::", 40001}).ephemeral().move(0, TCP_LISTEN));
    add("listen EADDRINUSE, the port was given up", Story(base).hold({"0.0.0.0", 0}).fail(EADDRINUSE));
    expect_file("listen");
}

TEST_F(Golden, Autobind) {
    const Story connect = Story(BT_KIND_AUTOBIND, BT_OP_CONNECT).ephemeral().by_java();
    add("autobind by connect ok",
        Story(connect).hold({"10.0.0.1", 41000}).reach({"10.0.0.5", 8848}).move(0, TCP_SYN_SENT));
    add("autobind by connect ok, IPv6",
        Story(connect).hold({"2001:db8::1", 41000}).reach({"2001:db8::5", 8848}).move(0, TCP_SYN_SENT));
    add("autobind by connect ok, IPv4-mapped",
        Story(connect).hold({"::ffff:10.0.0.1", 41000}).reach({"::ffff:10.0.0.5", 8848}).move(0, TCP_SYN_SENT));
    add("autobind by connect EADDRNOTAVAIL: range exhausted",
        Story(connect).hold({"10.0.0.1", 0}).reach({"10.0.0.5", 8848}).fail(EADDRNOTAVAIL));

    const Story udp = Story(BT_KIND_AUTOBIND, BT_OP_SENDTO).ephemeral().by_java().socket(IPPROTO_UDP, SOCK_DGRAM);
    add("UDP autobind by sendto", Story(udp).hold({"0.0.0.0", 53124}));
    add("UDP autobind EAGAIN: range exhausted", Story(udp).fail(EAGAIN));

    Story kernel = Story(connect).hold({"10.0.0.1", 825}).reach({"10.0.0.9", 2049});
    kernel.event.op = BT_OP_KERNEL;
    kernel.event.sock.inode = 0;
    kernel.event.sock.cookie = 0;
    kernel.event.sock.cgroup_id = 0;
    kernel.context.socket_cgroup_path.reset();
    set_comm(kernel.event.task.comm, "kworker/u8:3");
    kernel.event.task.key.pid = 212;
    kernel.context.cgroup_path = "/";
    kernel.process = {};
    add("autobind of a kernel socket, task in the root cgroup", kernel);
    expect_file("autobind");
}

TEST_F(Golden, State) {
    const Story base = Story(BT_KIND_STATE, BT_OP_UNKNOWN).hold({"0.0.0.0", 8080});
    add("to LISTEN", Story(base).move(TCP_CLOSE, TCP_LISTEN));
    add("to SYN_SENT", Story(base).hold({"10.0.0.1", 41000}).reach({"10.0.0.5", 8848}).move(TCP_CLOSE, TCP_SYN_SENT));
    add("to TIME_WAIT, in softirq: nobody's doing", Story(base)
                                                        .hold({"10.0.0.1", 8080})
                                                        .reach({"10.0.0.5", 51544})
                                                        .as_time_wait()
                                                        .move(TCP_FIN_WAIT2, TCP_TIME_WAIT));
    add("to a state without a name", Story(base).move(TCP_CLOSE, 42));
    expect_file("state");
}

TEST_F(Golden, Release) {
    const Story base = Story(BT_KIND_RELEASE, BT_OP_CLOSE).hold({"0.0.0.0", 8080});
    add("close, held for a known time", Story(base).held(212'345'678));
    add("exit, held for long", [&] {
        Story story = Story(base).held(12'345'678'901'234);
        story.event.op = BT_OP_EXIT;
        return story;
    }());
    add("close of a client",
        Story(base).by_java().hold({"10.0.0.1", 41000}).reach({"10.0.0.5", 8848}).held(3'290'000'000));
    add("close, held since before start", Story(base));
    Story time_wait =
        Story(base).hold({"10.0.0.1", 8080}).reach({"10.0.0.5", 51544}).as_time_wait().held(60'012'000'000);
    time_wait.event.op = BT_OP_UNKNOWN;
    add("TIME_WAIT ran out, without a process", time_wait);
    expect_file("release");
}

TEST_F(Golden, Protocols) {
    const Story base = Story(BT_KIND_BIND, BT_OP_BIND);
    add("MPTCP", Story(base).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080}).socket(kProtocolMptcp, SOCK_STREAM));
    add("UDP-Lite", Story(base).ask({"0.0.0.0", 5000}).hold({"0.0.0.0", 5000}).socket(IPPROTO_UDPLITE, SOCK_DGRAM));
    add("SCTP", Story(base).ask({"0.0.0.0", 2905}).fail(EADDRINUSE).socket(IPPROTO_SCTP, SOCK_SEQPACKET));
    add("ping", Story(base).ask({"0.0.0.0", 0}).hold({"0.0.0.0", 1201}).ephemeral().socket(IPPROTO_ICMP, SOCK_DGRAM));
    add("ping, IPv6", Story(base).ask({"::", 77}).hold({"::", 77}).socket(IPPROTO_ICMPV6, SOCK_DGRAM));
    add("raw", Story(base).ask({"10.0.0.1", 0}).hold({"10.0.0.1", 0}).socket(IPPROTO_ICMP, SOCK_RAW));
    add("a protocol without a word", Story(base).ask({"0.0.0.0", 7}).hold({"0.0.0.0", 7}).socket(33, SOCK_DCCP));
    expect_file("protocols");
}

TEST_F(Golden, Places) {
    const Story base = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080});
    Story named(base);
    named.event.sock.netns = 4026532008;
    named.context.netns_name = "blue";
    add("a named network namespace", named);

    Story unnamed(named);
    unnamed.context.netns_name.reset();
    add("a network namespace without a name", unnamed);

    Story docker(named);
    docker.context.netns_name = "web";
    docker.context.cgroup_path =
        "/system.slice/docker-4f6d1c3b2a190807f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c4b3a291807.scope";
    add("a container: its id is cut as docker ps does", docker);

    docker.context.cgroup_path = "/docker/4f6d1c3b2a190807f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c4b3a291807";
    add("a container under cgroupfs: the id ends the path", docker);

    Story unknown(base);
    unknown.event.sock.netns = 0;
    unknown.event.sock.cgroup_id = 0;
    unknown.event.task.cgroup_id = 0;
    unknown.context.netns_name.reset();
    unknown.context.cgroup_path.reset();
    unknown.context.socket_cgroup_path.reset();
    unknown.context.user.reset();
    unknown.context.start_time_ns.reset();
    unknown.process = {};
    add("nothing known of the place", unknown);
    expect_file("places");
}

TEST_F(Golden, Hostile) {
    const Story base = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).fail(EADDRINUSE);
    Story escapes(base);
    set_comm(escapes.event.task.comm, "\x1b[2J\x1b]0;r\x07");
    escapes.process.exe = "/tmp/\x1b[31mred";
    escapes.process.cmdline = {"a\nb", "\"quoted\"", "back\\slash", "tab\there", "\x7f"};
    escapes.context.cgroup_path = "/user.slice/\x1b[2Kx";
    escapes.context.netns_name = "n\x9bs";
    add("terminal escapes, a newline, quotes", escapes);

    Story invalid(base);
    set_comm(invalid.event.task.comm,
             "\xff\xfe"
             "abc\xe2\x82");
    invalid.process.cmdline = {"\xc0\xaf", "caf\xc3", "\xed\xa0\x80"};
    invalid.process.ancestry = {{77, "\x80sh"}};
    invalid.context.user = "m\xfcller";
    add("not UTF-8, cut within a character", invalid);

    Story bidi(base);
    set_comm(bidi.event.task.comm, "\u202egol.exe");
    bidi.process.cmdline = {"\u2066x\u2069", "zero\u200bwidth",
                            "\ufeff"
                            "bom",
                            "c1\u009b31m"};
    bidi.context.cgroup_path = "/system.slice/\u202eecivres.x";
    add("right-to-left override, zero width, C1", bidi);

    Story full(base);
    set_comm(full.event.task.comm, "0123456789abcdef");
    full.process.cmdline = std::vector<std::string>{};
    full.process.ancestry = {{2, "größe"}, {3, "ポート"}};
    full.context.cgroup_path = "/system.slice/größe ポート.service";
    add("a comm without its NUL, other scripts", full);
    expect_file("hostile");
}

TEST_F(Golden, Loss) {
    add("ring buffer full", Loss{kTime, kKtime, LossReason::ring_full, 17});
    add("ring buffer full, one event", Loss{kTime, kKtime, LossReason::ring_full, 1});
    add("map full", Loss{kTime, kKtime, LossReason::map_full, 4});
    add("recursion", Loss{kTime, kKtime, LossReason::recursion, 41'809});
    add("kretprobe missed", Loss{kTime, kKtime, LossReason::kretprobe_missed, 2});
    add("decode", Loss{kTime, kKtime, LossReason::decode, 1});
    expect_file("loss");
}

TEST_F(Golden, Meta) {
    add("with filters", example_meta());
    Meta plain = example_meta();
    plain.filters.clear();
    add("without filters", plain);
    Meta hostile = example_meta();
    hostile.host = "web\x1b[1m1";
    hostile.filters = {"--comm \"\x07\""};
    add("hostile", hostile);
    expect_file("meta");
}

TEST_F(Golden, Colour) {
    const Story ok = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080});
    const Story failed = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).fail(EADDRINUSE);
    const Story orphan = Story(BT_KIND_RELEASE, BT_OP_UNKNOWN).hold({"10.0.0.1", 8080}).as_time_wait();
    expect_colour_file("colour", {ok, failed, orphan}, {kTime, kKtime, LossReason::ring_full, 17}, example_meta());
}

}  // namespace
}  // namespace bindtrace
