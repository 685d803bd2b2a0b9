// SPDX-License-Identifier: MIT
// Whatever has happened to a capture: every intact block is read, and what is lost is told by offset and size.
#include <gtest/gtest.h>

#include <ctime>

#include "capture_samples.h"

namespace bindtrace {
namespace {

struct Small {
    std::string bytes;
    std::vector<std::size_t> starts;  // of its blocks: head, checkpoint, three of events, end
};

Small small_capture() {
    MemoryOutput output;
    CaptureWriter writer(output);
    EXPECT_TRUE(writer.start(sampled_meta(), sampled_host(), {{sampled_holder(1), 1}}, true));
    const Findings found = sampled_findings();
    for (std::uint64_t i = 0; i < 3; ++i) {
        Sampled sample(BT_KIND_BIND, i);
        sample.event.error = EADDRINUSE;
        writer.event(sample.event, sample.context, &found);
        EXPECT_TRUE(writer.flush());
    }
    EXPECT_TRUE(writer.finish());
    EXPECT_EQ(output.starts.size(), 6u);
    return {output.bytes, output.starts};
}

Result<ReadReport> read(const std::string& bytes, Heard& heard) {
    return CaptureReader::of(bytes)->read(heard);
}

TEST(CaptureDamage, CutAtEveryByte) {
    const Small whole = small_capture();
    for (std::size_t size = 1; size < whole.bytes.size(); ++size) {
        Heard heard;
        const auto report = read(whole.bytes.substr(0, size), heard);
        ASSERT_TRUE(report) << "cut to " << size << ": " << report.error().what;
        EXPECT_FALSE(report->complete()) << "cut to " << size;
        std::size_t blocks = 0;
        while (blocks < whole.starts.size() &&
               (blocks + 1 == whole.starts.size() ? whole.bytes.size() : whole.starts[blocks + 1]) <= size)
            ++blocks;
        EXPECT_EQ(report->blocks, blocks) << "cut to " << size;
        EXPECT_EQ(heard.events, std::min<std::size_t>(blocks > 2 ? blocks - 2 : 0, 3));
        const std::size_t left = size - (blocks < whole.starts.size() ? whole.starts[blocks] : size);
        EXPECT_EQ(report->lost_bytes, left);
        if (left == 0) continue;
        ASSERT_EQ(report->damages.size(), 1u);
        EXPECT_EQ(report->damages[0].offset, whole.starts[blocks]);
        EXPECT_EQ(report->damages[0].bytes, left);
    }
}

TEST(CaptureDamage, EveryBitOfABlockFlipped) {
    const Small whole = small_capture();
    const std::size_t begin = whole.starts[3], end = whole.starts[4];
    for (std::size_t at = begin; at < end; ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string bytes = whole.bytes;
            bytes[at] = static_cast<char>(bytes[at] ^ 1 << bit);
            Heard heard;
            const auto report = read(bytes, heard);
            ASSERT_TRUE(report);
            ASSERT_EQ(report->blocks, 5u) << "byte " << at << " bit " << bit;
            ASSERT_EQ(heard.events, 2u);
            ASSERT_EQ(report->damages.size(), 1u);
            ASSERT_EQ(report->damages[0].offset, begin);
            ASSERT_EQ(report->damages[0].bytes, end - begin);
            ASSERT_FALSE(report->complete());
        }
    }
}

TEST(CaptureDamage, MissingRepeatedAndZeroedBlocks) {
    const Small whole = small_capture();
    const auto block = [&](std::size_t i) {
        return whole.bytes.substr(
            whole.starts[i], i + 1 < whole.starts.size() ? whole.starts[i + 1] - whole.starts[i] : std::string::npos);
    };
    const auto joined = [&](std::initializer_list<std::size_t> blocks) {
        std::string bytes;
        for (const std::size_t i : blocks) bytes += block(i);
        return bytes;
    };
    const auto expect = [](const std::string& bytes, std::size_t events, const std::string& what) {
        Heard heard;
        const auto report = read(bytes, heard);
        ASSERT_TRUE(report);
        EXPECT_EQ(heard.events, events);
        EXPECT_FALSE(report->complete());
        ASSERT_EQ(report->damages.size(), 1u);
        EXPECT_EQ(report->damages[0].what, what);
    };
    expect(joined({0, 1, 2, 4, 5}), 2, "blocks missing here: 1");
    expect(joined({1, 2, 3, 4, 5}), 3, "the beginning is missing");
    expect(joined({0, 1, 2, 3, 3, 4, 5}), 3, "a block that was there before");
    expect(joined({0, 1, 2}) + std::string(block(3).size(), '\0') + joined({4, 5}), 2, "damaged");
    expect(joined({0, 1, 2, 3, 4, 5}) + std::string(5'000'000, '\0'), 3, "cut off in the middle");
    Heard two;
    std::string other = whole.bytes;
    const auto report = read(whole.bytes + "garbage between" + whole.bytes, two);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->damages.front().bytes, 15u);
}

// A header every 64 bytes, each asking for a checksum of half the file: that is not done for them all.
TEST(CaptureDamage, MadeUpHeadersCostNoMoreThanTheFile) {
    constexpr std::size_t kBytes = 4 << 20;
    const auto header = pack_header({.kind = BlockKind::events, .stored_bytes = kBytes / 2, .raw_bytes = 1});
    std::string bytes;
    while (bytes.size() < kBytes) bytes.append(header.data(), header.size());
    Heard heard;
    const std::clock_t begin = std::clock();
    const auto report = read(bytes + small_capture().bytes, heard);
    EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 3.0);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->lost_bytes, bytes.size());
    EXPECT_EQ(report->blocks, 6u);
    EXPECT_EQ(heard.events, 3u);
}

TEST(CaptureDamage, WhatIsNoCaptureIsRefused) {
    for (const std::string& bytes : {std::string(), std::string("hello\n"), std::string(1'000'000, '\0')}) {
        Heard heard;
        const auto report = read(bytes, heard);
        ASSERT_FALSE(report);
        EXPECT_NE(report.error().what.find(bytes.empty() ? "is empty" : "is no capture"), std::string::npos);
    }
    EXPECT_FALSE(CaptureReader::open("/"));
    EXPECT_FALSE(CaptureReader::open("/nonexistent"));
}

std::string packed(BlockHeader header, const std::string& records) {
    BlockPacker packer;
    return std::string(packer.pack(header, records));
}

TEST(CaptureVersions, ANewerMajorIsNotGuessedAt) {
    const Small whole = small_capture();
    Heard heard;
    const std::string newer = packed({.major = kCaptureMajor + 1, .kind = BlockKind::events}, "what");
    EXPECT_FALSE(read(newer, heard));
    const auto report = read(whole.bytes + newer, heard);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->newer_blocks, 1u);
    EXPECT_FALSE(report->complete());
    EXPECT_EQ(heard.events, 3u);
}

TEST(CaptureVersions, UnknownRecordsAndFieldsAreSkipped) {
    TaskCache tasks;
    BlockEncoder encoder(tasks);
    const Sampled sample(BT_KIND_BIND);
    encoder.event(sample.event, sample.context, nullptr);
    // Each record with a field more, and one of a kind that nobody knows after it; strings are but their bytes.
    WireReader reader(encoder.records());
    WireWriter newer;
    while (!reader.at_end()) {
        const std::uint64_t kind = reader.number();
        std::string body(reader.bytes());
        if (kind != static_cast<std::uint64_t>(RecordKind::string)) body += "\x07";
        newer.number(kind);
        newer.bytes(body);
        newer.number(40'000);
        newer.bytes("from the future");
    }
    Heard heard, expected;
    BlockDecoder decoder;
    decode_all(decoder, newer.out(), heard);
    expected.event(sample.event, sample.context, nullptr);
    EXPECT_EQ(heard.text, expected.text);
    EXPECT_GT(decoder.skipped().unknown, 3u);
    EXPECT_EQ(decoder.skipped().malformed, 0u);
}

TEST(CaptureVersions, WhatMakesNoSenseIsCounted) {
    BlockDecoder decoder;
    Heard heard;
    WireWriter records;
    records.number(static_cast<std::uint64_t>(RecordKind::event));
    records.bytes("\x01\x63\x63\x63");
    records.number(static_cast<std::uint64_t>(RecordKind::held));
    records.bytes("\x01");
    records.number(static_cast<std::uint64_t>(RecordKind::failure));
    records.bytes(std::string_view("\0\0", 2));  // without its event
    decode_all(decoder, records.out(), heard);
    decode_all(decoder, "\x20\xff\xff\xff", heard);
    EXPECT_EQ(heard.events, 0u);
    EXPECT_EQ(decoder.skipped().malformed, 4u);
}

// A few bytes that ask for terabytes: a task with a long path, again and again, and a checkpoint full of it.
TEST(CaptureVersions, ABombIsDefused) {
    WireWriter records, task, held, holder;
    const auto add = [&records](RecordKind kind, std::string_view body) {
        records.number(static_cast<std::uint64_t>(kind));
        records.bytes(body);
    };
    add(RecordKind::string, std::string(10 << 20, 'x'));
    add(RecordKind::cgroup, "\x01\x01");
    for (const std::uint64_t part : {1U, 1U, 1U, 1U, 1U, 1U, 1U, 0U, 1U, 0U, 1U, 1U, 4U})
        task.number(part);  // ... with the string as user and exe, and thrice among its words
    for (const std::uint64_t part : {1U, 1U, 1U, 0U}) task.number(part);
    for (int i = 0; i < 1000; ++i) add(RecordKind::task, task.out());
    BlockDecoder decoder;
    Heard heard;
    decode_all(decoder, records.out(), heard);
    EXPECT_GT(decoder.skipped().malformed, 900u);
}

}  // namespace
}  // namespace bindtrace
