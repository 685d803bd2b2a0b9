// SPDX-License-Identifier: MIT
#include "filter/recorded_filter.h"

#include <gtest/gtest.h>

#include "capture_samples.h"

namespace bindtrace {
namespace {

TEST(RecordedFilter, KnowsByTheNamesInTheCapture) {
    const Sampled sample(BT_KIND_BIND);
    const auto passes = [&](const RecordedFilter& filter) { return filter.matches(sample.event, sample.context); };
    RecordedFilter filter;
    EXPECT_TRUE(passes(filter));
    filter.user = "us\"er";
    filter.filter.netns_name = "web";
    EXPECT_TRUE(passes(filter));
    filter.user = "root";
    EXPECT_FALSE(passes(filter));
    filter = {};
    filter.filter.netns_name = "host";
    EXPECT_FALSE(passes(filter));
    filter = {};
    filter.filter.cgroup = "/system.slice";
    EXPECT_TRUE(passes(filter));
    filter.filter.cgroup = "/user.slice";
    EXPECT_FALSE(passes(filter));
    filter = {};
    filter.filter.unit = "nginx.service";
    EXPECT_FALSE(passes(filter));
    Context context = sample.context;
    context.cgroup_path = "/system.slice/nginx.service/worker";
    context.read_paths();
    EXPECT_TRUE(filter.matches(sample.event, context));
    context.cgroup_path.reset();
    context.read_paths();
    EXPECT_FALSE(filter.matches(sample.event, context));
}

// As the kernel side would have.
TEST(RecordedFilter, AppliesWhatTheKernelAppliesLive) {
    Sampled sample(BT_KIND_BIND);
    const auto passes = [&](auto change) {
        RecordedFilter filter;
        change(filter.filter);
        return filter.matches(sample.event, sample.context);
    };
    EXPECT_TRUE(passes([](Filter& filter) { filter.ports = {{8001, 8001}}; })) << "asked for";
    EXPECT_TRUE(passes([](Filter& filter) { filter.ports = {{32769, 40000}}; })) << "held";
    EXPECT_FALSE(passes([](Filter& filter) { filter.ports = {{1, 8000}, {8002, 32768}}; }));
    EXPECT_TRUE(passes([](Filter& filter) { filter.protocols = BT_PROTO_TCP | BT_PROTO_UDP; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.protocols = BT_PROTO_UDP; }));
    EXPECT_TRUE(passes([](Filter& filter) { filter.pid = 4001; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.pid = 4002; }));
    EXPECT_TRUE(passes([](Filter& filter) { filter.uid = 998; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.uid = 0; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.netns = 1; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.kinds = 1u << BT_KIND_LISTEN; }));
    EXPECT_FALSE(passes([](Filter& filter) { filter.failed_only = true; }));
    sample.event.flags |= BT_EVENT_EPHEMERAL;
    EXPECT_FALSE(passes([](Filter& filter) { filter.no_ephemeral = true; }));
    sample.event.error = EADDRINUSE;
    EXPECT_TRUE(passes([](Filter& filter) { filter.no_ephemeral = filter.failed_only = true; }));
}

TEST(RecordedFilter, KnowsWhatARecordingWasNarrowedTo) {
    RecordedFilter asked;
    asked.filter.ports = {{80, 80}, {8000, 8010}};
    asked.filter.protocols = BT_PROTO_TCP;
    asked.filter.netns = 17;
    const auto tells_all = [&asked](const std::vector<std::string>& filters) {
        Meta meta;
        meta.filters = filters;
        return tells_all_claims(meta, asked);
    };
    for (const char* filter : {"--registry x", "--port 1-90,8000-9000", "--proto udp,tcp", "--netns 17",
                               "--events bind,listen,autobind,release,state"})
        EXPECT_TRUE(tells_all({filter})) << filter;
    for (const char* filter : {"--failed", "--no-ephemeral", "--port 80", "--proto udp", "--netns 18", "--netns self",
                               "--events bind", "--unit x.service", "--comm x", "--addr 127.0.0.1", "--pid 1"})
        EXPECT_FALSE(tells_all({"--port 80,8000-8010", filter})) << filter;
    EXPECT_TRUE(tells_all({}));
    asked.filter.ports.clear();
    EXPECT_FALSE(tells_all({"--port 80"}));
}

}  // namespace
}  // namespace bindtrace
