// SPDX-License-Identifier: MIT
// What `check` prints, as a table and as JSON.
#include "../unit/host_state.h"
#include "golden.h"
#include "sink/check_report.h"

namespace bindtrace {
namespace {

struct Files : Golden {
    using Golden::expect_file;
};

class GoldenCheck : public CheckedHost {
  protected:
    std::string text(bool colour = false) const {
        std::string out;
        append_check_text(out, checked_, colour);
        return out;
    }
};

TEST_F(GoldenCheck, Check) {
    state_.netns["web"] = {std::nullopt, {}};
    sysctls() = {.ephemeral = std::pair<std::uint16_t, std::uint16_t>{9000, 60999},
                 .reserved = parse_port_set("8080,9148"),
                 .unprivileged_start = 1024};
    unit("other.socket", "[Socket]\nListenStream=80\n");
    unit("dns.service", "[Service]\nUser=dns\n");
    has(by(held({"0.0.0.0", 8080}), {"java", 1312, "/system.slice/myapp.service", "/usr/bin/java", "myapp", 998}));
    has(by(connected(held({"10.0.0.1", 9100, IPPROTO_TCP, TCP_ESTABLISHED}), "10.0.0.5", 8848),
           {"\x1b[2Jcurl\n", 1313, "/user.slice/user-1000.slice/session-3.scope", "/usr/bin/curl", "bob", 1000}));
    has(made_for(by(held({"::", 80}), {"systemd", 1, "/init.scope"}), "/system.slice/web.socket"));
    has(held({"0.0.0.0", 7000}));
    check(R"([[port]]
port = 8080
address = "127.0.0.1"
owner = "myapp.service"
[[port]]
port = 9100
owner = "node_exporter.service"
[[port]]
port = 80
owner = "web.service"
[[port]]
port = 53
proto = "udp"
owner = ["dns.service", "user:root"]
[[port]]
port = "7000-7010"
owner = "container:a\u001b[31mb"
[[port]]
port = 443
netns = "web"
owner = "free"
[[port]]
port = 9200
owner = "free"
)");
    std::string all = text();
    append_check_json(all, checked_, kKtime);
    Files::expect_file("check", all);
}

TEST_F(GoldenCheck, WhatIsNotOkIsRed) {
    check("[[port]]\nport = 80\nowner = 'free'\n[[port]]\nport = 81\nowner = 'a.service'\n");
    EXPECT_EQ(text(true),
              "\x1b[2mSTATUS  PORT    OWNER      HELD BY  ENTRY\x1b[0m\n"
              "ok      tcp 80  free       nobody   ports.toml:1\n"
              "\x1b[31mfree    tcp 81  a.service  nobody   ports.toml:4\x1b[0m\n"
              "\n2 entries: 1 ok, 1 free; 0 risks\n");
}

}  // namespace
}  // namespace bindtrace
