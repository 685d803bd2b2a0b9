// SPDX-License-Identifier: MIT
// capture_v1.btcap was written when the format was new. It stays what it is, and is to be read by whatever comes: this
// is what it tells. It has each kind of record in it.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <set>

#include "../unit/capture_samples.h"
#include "capture/block.h"
#include "capture/wire.h"
#include "golden.h"
#include "model/endpoint.h"
#include "sink/held_ports.h"

namespace bindtrace {
namespace {

const std::string kPath = std::string(BINDTRACE_SOURCE_DIR) + "/tests/golden/capture_v1.btcap";

class OldCapture : public Golden {
  protected:
    static std::string bytes() {
        std::ifstream file(kPath, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

// What no format of a replay tells.
std::string facts_of(const Heard& heard) {
    std::string text;
    for (const Host& host : heard.hosts)
        text += fmt::format("host {:x} {} {}\n", host.recording, host.machine_id, host.boot_id);
    for (const NetnsFacts& netns : heard.netns_seen) {
        text += fmt::format("netns {} {}:", netns.inum, netns.name.value_or("?"));
        for (const auto& [name, value] : netns.sysctls) text += fmt::format(" {}={}", name, value);
        for (const LocalAddress& local : netns.addresses.value_or(std::vector<LocalAddress>())) {
            text += fmt::format(" {} ", local.interface);
            append_address(text, local.family, local.address.data());
        }
        text += '\n';
    }
    for (const Checkpoint& checkpoint : heard.checkpoints) {
        text += fmt::format("checkpoint {} {} {}\n", checkpoint.time_ns, checkpoint.ktime_ns, checkpoint.complete);
        append_held_ports_json(text, checkpoint.ports, checkpoint.ktime_ns);
    }
    for (const RecordingEnd& end : heard.ends)
        text += fmt::format("end {} {} {} {} {} {}\n", end.events, end.failures, end.lost, end.continues, end.time_ns,
                            end.ktime_ns);
    return text;
}

TEST_F(OldCapture, IsReadForEver) {
    Heard heard;
    auto reader = CaptureReader::open(kPath);
    ASSERT_TRUE(reader) << reader.error().what;
    const auto read = (*reader)->read(heard);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->complete());
    EXPECT_EQ(read->skipped.unknown + read->skipped.malformed, 0u);
    expect_file("capture_v1", heard.text + facts_of(heard));
}

TEST_F(OldCapture, HasEachKindOfRecord) {
    const std::string all = bytes();
    std::set<std::uint64_t> kinds;
    BlockUnpacker unpacker;
    for (std::size_t at = 0; at < all.size();) {
        const auto header = unpack_header(std::string_view(all).substr(at));
        ASSERT_TRUE(header) << at;
        EXPECT_EQ(header->major, 1);
        EXPECT_EQ(header->minor, 0);
        const auto records =
            unpacker.unpack(*header, std::string_view(all).substr(at + kBlockHeaderBytes, header->stored_bytes));
        ASSERT_TRUE(records);
        WireReader reader(*records);
        while (!reader.at_end()) {
            kinds.insert(reader.number());
            reader.bytes();
        }
        at += kBlockHeaderBytes + header->stored_bytes;
    }
    EXPECT_EQ(kinds, (std::set<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 32, 33, 34, 35, 48}));
}

// How it was made. A version that can do more gets one of its own, beside this.
TEST_F(OldCapture, DISABLED_IsMade) {
    MemoryOutput output;
    CaptureWriter writer(output);
    HeldPort unknown{.holder = sampled_holder(2), .processes = 0};
    unknown.holder.process.reset();
    ASSERT_TRUE(
        writer.start(sampled_meta(), sampled_host(), {{.holder = sampled_holder(1), .processes = 3}, unknown}, true));
    const Findings found = sampled_findings();
    writer.netns({.inum = 4026531840,
                  .name = "web",
                  .sysctls = {{"net.ipv4.ip_local_port_range", "32768\t60999"}},
                  .addresses = found.local_addresses});
    std::uint64_t number = 0;
    for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_LISTEN, BT_KIND_AUTOBIND, BT_KIND_STATE, BT_KIND_RELEASE}) {
        const Sampled sampled(kind, ++number);
        writer.event(sampled.event, sampled.context, nullptr);
    }
    Sampled failed(BT_KIND_BIND, ++number);
    failed.event.error = EADDRINUSE;
    failed.event.sock.local_port = 0;
    writer.event(failed.event, failed.context, &found);
    ASSERT_TRUE(writer.flush());
    Findings addresses;
    addresses.local_addresses = found.local_addresses;
    failed.event.error = EADDRNOTAVAIL;
    failed.event.ktime_ns += 1000;
    failed.context.time_ns += 1000;
    writer.event(failed.event, failed.context, &addresses);
    writer.loss({.time_ns = failed.context.time_ns + 7,
                 .ktime_ns = failed.event.ktime_ns + 7,
                 .reason = LossReason::map_full,
                 .count = 17});
    Warning warning = sampled_warning();
    warning.ktime_ns = failed.event.ktime_ns + 9;
    warning.time_ns = failed.context.time_ns + 9;
    writer.warning(warning);
    ASSERT_TRUE(writer.finish());
    std::ofstream(kPath, std::ios::binary) << output.bytes;
}

}  // namespace
}  // namespace bindtrace
