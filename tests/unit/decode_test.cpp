// SPDX-License-Identifier: MIT
#include "decode/decode.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

namespace bindtrace {
namespace {

// Every byte of it is something else than zero where that is allowed.
Event full_event() {
    Event event;
    std::memset(&event, 0xa5, sizeof(event));
    event.kind = BT_KIND_BIND;
    event.error = EADDRINUSE;
    std::memcpy(event.task.comm, "123456789012345", BT_COMM_LEN);
    return event;
}

std::vector<std::byte> bytes_of(const Event& event) {
    std::vector<std::byte> bytes(sizeof(event));
    std::memcpy(bytes.data(), &event, sizeof(event));
    return bytes;
}

bool decodes(const Event& event) {
    return decode(bytes_of(event)).has_value();
}

TEST(Decode, GivesBackWhatTheKernelWrote) {
    const Event event = full_event();
    const auto decoded = decode(bytes_of(event));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(std::memcmp(&decoded->event, &event, sizeof(event)), 0);
}

TEST(Decode, NeedsNoAlignment) {
    std::vector<std::byte> bytes = bytes_of(full_event());
    bytes.insert(bytes.begin(), std::byte{1});
    const auto decoded = decode(std::span(bytes).subspan(1));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->event.error, EADDRINUSE);
}

TEST(Decode, RefusesWhatIsShort) {
    const std::vector<std::byte> bytes = bytes_of(full_event());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        // A copy of exactly that size, so that a sanitizer sees a read beyond it.
        const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(decode(cut)) << size << " bytes";
    }
    EXPECT_FALSE(decode({}));
}

TEST(Decode, TakesEveryKindAndNoOther) {
    Event event = full_event();
    for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_LISTEN, BT_KIND_AUTOBIND, BT_KIND_STATE, BT_KIND_RELEASE}) {
        event.kind = kind;
        const auto decoded = decode(bytes_of(event));
        ASSERT_TRUE(decoded) << kind;
        EXPECT_EQ(decoded->event.kind, kind);
    }
    for (const std::uint32_t kind : {0u, BT_KIND_RELEASE + 1u, 0x100u + BT_KIND_BIND, 0x80000001u, UINT_MAX}) {
        event.kind = kind;
        EXPECT_FALSE(decodes(event)) << kind;
    }
}

TEST(Decode, WantsTheCommToEnd) {
    Event event = full_event();
    std::memset(event.task.comm, 'x', sizeof(event.task.comm));
    EXPECT_FALSE(decodes(event));
    event.sock.cookie = 0;  // the zero bytes that follow are not its end
    EXPECT_FALSE(decodes(event));
    event.task.comm[BT_COMM_LEN - 1] = '\0';
    EXPECT_TRUE(decodes(event));
    event.task.comm[0] = '\0';
    EXPECT_TRUE(decodes(event));
}

TEST(Decode, WantsErrnoAsUserSpaceGetsIt) {
    Event event = full_event();
    for (const std::int32_t error : {-1, -EADDRINUSE, INT_MIN}) {
        event.error = error;
        EXPECT_FALSE(decodes(event)) << error;
    }
    for (const std::int32_t error : {0, EADDRINUSE, 524}) {
        event.error = error;
        EXPECT_TRUE(decodes(event)) << error;
    }
}

// A refusal as the kernel side writes it, with that many holders.
std::vector<std::byte> refusal_bytes(std::uint32_t count, std::size_t written) {
    bt_refusal refusal{};
    refusal.event = full_event();
    refusal.claimant.local_port = 8080;
    refusal.in_the_way = 1501;
    refusal.count = count;
    for (bt_holder& holder : refusal.holders) holder.sock.local_port = 8080;
    std::vector<std::byte> bytes(offsetof(bt_refusal, holders) + written * sizeof(bt_holder));
    std::memcpy(bytes.data(), &refusal, bytes.size());
    return bytes;
}

TEST(Decode, GivesTheEvidenceOfARefusal) {
    for (const std::uint32_t count : {0u, 1u, unsigned{BT_HOLDERS}}) {
        const auto decoded = decode(refusal_bytes(count, count));
        ASSERT_TRUE(decoded && decoded->refusal) << count;
        EXPECT_EQ(decoded->refusal->holders.size(), count);
        EXPECT_EQ(decoded->refusal->in_the_way, 1501u);
        EXPECT_EQ(decoded->refusal->claimant.local_port, 8080);
    }
    EXPECT_FALSE(decode(bytes_of(full_event()))->refusal);
}

TEST(Decode, RefusesEvidenceThatIsNotAllThere) {
    EXPECT_FALSE(decode(refusal_bytes(2, 1)));
    EXPECT_FALSE(decode(refusal_bytes(BT_HOLDERS + 1, BT_HOLDERS)));
    EXPECT_FALSE(decode(refusal_bytes(UINT_MAX, BT_HOLDERS)));
    auto bytes = refusal_bytes(1, 1);
    std::memset(bytes.data() + offsetof(bt_refusal, holders) + offsetof(bt_holder, task) + offsetof(bt_task, comm), 'x',
                BT_COMM_LEN);
    EXPECT_FALSE(decode(bytes)) << "a comm without an end";
}

}  // namespace
}  // namespace bindtrace
