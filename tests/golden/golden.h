// SPDX-License-Identifier: MIT
// Records to tell, and the comparison with the golden files; see golden_test.cpp.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "diagnose/warning_words.h"
#include "model/conflict.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace bindtrace {

inline constexpr std::int64_t kTime = 1'795'294'388'123'456'789;  // 2026-11-21T20:53:08.123456789Z
inline constexpr std::uint64_t kKtime = 86'400'123'456'789;
inline constexpr std::uint32_t kHostNetns = 4026531840;
inline constexpr std::uint16_t kProtocolMptcp = 262;

inline constexpr std::string_view kEventKeys[] = {
    "v",       "type",        "time",       "ktime_ns",    "op",          "proto",     "family",    "addr",
    "port",    "local_addr",  "local_port", "remote_addr", "remote_port", "result",    "errno",     "ephemeral",
    "sockopt", "socket",      "netns",      "process",     "cgroup",      "unit",      "unit_type", "slice",
    "session", "socket_unit", "container",  "pod",         "held_ns",     "old_state", "conflict"};

struct Place {
    const char* address;
    std::uint16_t port;
};

inline std::uint16_t family_of(const Place& place) {
    return std::strchr(place.address, ':') != nullptr ? AF_INET6 : AF_INET;
}

template <std::size_t N>
void set_address(std::uint8_t (&to)[N], const Place& place) {
    ASSERT_EQ(inet_pton(family_of(place), place.address, to), 1) << place.address;
}

template <std::size_t N>
void set_comm(char (&to)[N], std::string_view comm) {
    ASSERT_LE(comm.size(), N);
    std::memset(to, 0, N);
    std::memcpy(to, comm.data(), comm.size());
}

// One record that a test changes piece by piece; starts as a service's TCP socket on the host.
struct Story {
    Event event{};
    Context context;
    Process process;
    ContainerFacts facts;

    Story(bt_kind kind, bt_op op) {
        event.ktime_ns = kKtime;
        event.kind = kind;
        event.op = op;
        event.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
        event.task.key = {86'000'000'000'000, 18422, 2};
        event.task.cgroup_id = 7311;
        event.task.tid = 18431;
        event.task.ppid = 1;
        event.task.uid = 998;
        set_comm(event.task.comm, "myapp");
        event.sock.cookie = 20481;
        event.sock.inode = 912345;
        event.sock.cgroup_id = 7311;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.netns = kHostNetns;
        event.sock.opts = BT_OPT_REUSEADDR;
        event.sock.state = TCP_CLOSE;
        context.time_ns = kTime;
        context.start_time_ns = kTime - 400'000'000'000;
        context.user = "myapp";
        context.cgroup_path = "/system.slice/myapp.service";
        context.socket_cgroup_path = "/system.slice/myapp.service";
        context.netns_name = "host";
        process.exe = "/opt/myapp/bin/myapp";
        process.cmdline = {"/opt/myapp/bin/myapp", "--listen", "0.0.0.0:8080"};
        process.ancestry = {{1, "systemd"}};
    }

    Story& ask(const Place& place) {
        event.flags |= BT_EVENT_HAS_REQUEST;
        event.addr_family = family_of(place);
        event.port = place.port;
        set_address(event.addr, place);
        if ((event.flags & BT_EVENT_HAS_SOCK) != 0) event.sock.family = event.addr_family;
        return *this;
    }
    Story& hold(const Place& place) {
        event.sock.family = family_of(place);
        event.sock.local_port = place.port;
        set_address(event.sock.local_addr, place);
        return *this;
    }
    Story& reach(const Place& place) {
        event.sock.family = family_of(place);
        event.sock.remote_port = place.port;
        set_address(event.sock.remote_addr, place);
        return *this;
    }
    Story& fail(int error) {
        event.error = error;
        return *this;
    }
    Story& socket(std::uint16_t protocol, std::uint16_t type) {
        event.sock.protocol = protocol;
        event.sock.type = type;
        return *this;
    }
    Story& ephemeral() {
        event.flags |= BT_EVENT_EPHEMERAL;
        return *this;
    }
    Story& held(std::uint64_t ns) {
        event.flags |= BT_EVENT_HAS_HELD;
        event.held_ns = ns;
        return *this;
    }
    Story& move(std::uint8_t from, std::uint8_t to) {
        event.sock.old_state = from;
        event.sock.state = to;
        return *this;
    }
    Story& by_java() {
        event.task.key = {86'300'000'000'000, 1312, 1};
        event.task.tid = 1312;
        set_comm(event.task.comm, "java");
        context.cgroup_path = "/system.slice/config-client.service";
        context.socket_cgroup_path = context.cgroup_path;
        process.exe = "/usr/lib/jvm/java-17/bin/java";
        process.cmdline = {"java", "-jar", "config-client.jar"};
        return *this;
    }
    // What the enricher reads from the paths.
    void settle() {
        context.process = &process;
        context.read_paths();
        if (context.container == nullptr && facts.container) context.container = &facts;
    }
    Story& without_task() {
        event.flags &= ~static_cast<std::uint32_t>(BT_EVENT_HAS_TASK);
        event.task = {};
        context.cgroup_path.reset();
        return *this;
    }
    Story& without_sock() {
        event.flags &= ~static_cast<std::uint32_t>(BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT);
        const std::uint32_t netns = event.sock.netns;
        event.sock = {};
        event.sock.netns = netns;
        return *this;
    }
    // A TIME_WAIT socket: no owner, no file, no options of its own.
    Story& as_time_wait() {
        without_task();
        event.flags &= ~static_cast<std::uint32_t>(BT_EVENT_HAS_SOCKOPT);
        event.sock.inode = 0;
        event.sock.cgroup_id = 0;
        event.sock.opts = 0;
        event.sock.state = TCP_TIME_WAIT;
        context.socket_cgroup_path.reset();
        return *this;
    }
};

class Golden : public testing::Test {
  protected:
    // An hour ahead of UTC in winter, so that local and UTC times cannot be mistaken for each other.
    static void SetUpTestSuite() {
        setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
        tzset();
    }
    static void TearDownTestSuite() {
        unsetenv("TZ");
        tzset();
    }

    void add(const std::string& what, Story story) {
        story.settle();
        add_record(what, story.event, story.context);
    }

    // As where a process died before it could be described and nothing could be looked up.
    void add_unattributed(const std::string& what, const Story& story) {
        Context context;
        context.time_ns = story.context.time_ns;
        add_record(what, story.event, context);
    }

    void add_record(const std::string& what, const Event& event, const Context& context,
                    const Conflict* conflict = nullptr) {
        const Record record{event, context, conflict};
        text_.record(record, begin(what));
        const std::string json = end([&](std::string& out) { json_.record(record, out); });

        std::vector<std::string> keys;
        const auto parsed = nlohmann::ordered_json::parse(json);
        for (const auto& [key, value] : parsed.items()) keys.push_back(key);
        EXPECT_EQ(keys, std::vector<std::string>(std::begin(kEventKeys), std::end(kEventKeys))) << what;
    }

    void add(const std::string& what, const Loss& loss) {
        text_.loss(loss, begin(what));
        end([&](std::string& out) { json_.loss(loss, out); });
    }

    void add(const std::string& what, const Warning& warning) {
        const WarningWords words = words_of(warning);
        text_.warning(warning, words, begin(what));
        end([&](std::string& out) { json_.warning(warning, words, out); });
    }

    void add(const std::string& what, const Meta& meta) {
        text_.meta(meta, begin(what));
        end([&](std::string& out) { json_.meta(meta, out); });
    }

    void expect_file(const std::string& name) { compare(name, told_); }
    static void expect_file(const std::string& name, const std::string& told) { compare(name, told); }

    // Escape sequences are shown as \e so that the file can be read in a terminal.
    void expect_colour_file(const std::string& name, const std::vector<Story>& stories, const Loss& loss,
                            const Meta& meta) {
        TextSink sink({.colour = true});
        std::string coloured;
        sink.meta(meta, coloured);
        for (const Story& story : stories) sink.record({story.event, story.context}, coloured);
        sink.loss(loss, coloured);
        std::string shown;
        for (const char c : coloured) c == '\x1b' ? shown.append("\\e") : shown.append(1, c);
        compare(name, shown);
    }

  private:
    std::string& begin(const std::string& what) {
        told_ += told_.empty() ? "# " : "\n# ";
        told_ += what + "\n";
        text_begin_ = told_.size();
        return told_;
    }

    template <typename Write>
    std::string end(Write write) {
        const std::string text = told_.substr(text_begin_);
        const auto lines = std::count(text.begin(), text.end(), '\n');
        EXPECT_TRUE(lines >= 1 && lines <= 5 && text.back() == '\n') << text;
        std::string json;
        write(json);
        EXPECT_EQ(json.find('\n'), json.size() - 1) << "not one line: " << json;
        EXPECT_TRUE(nlohmann::json::accept(json)) << json;
        told_ += json;
        return json;
    }

    static void compare(const std::string& name, const std::string& told) {
        const std::string path = std::string(BINDTRACE_SOURCE_DIR) + "/tests/golden/" + name + ".golden";
        if (std::getenv("UPDATE_GOLDEN") != nullptr) {
            std::ofstream file(path, std::ios::binary | std::ios::trunc);
            file << told;
            ASSERT_TRUE(file.flush()) << path;
            return;
        }
        std::ifstream file(path, std::ios::binary);
        ASSERT_TRUE(file) << path << ": write it with UPDATE_GOLDEN=1";
        const std::string expected{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        EXPECT_EQ(told, expected) << path;
    }

    TextSink text_{{.colour = false}};
    JsonSink json_;
    std::string told_;
    std::size_t text_begin_ = 0;
};

}  // namespace bindtrace
