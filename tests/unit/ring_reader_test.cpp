// SPDX-License-Identifier: MIT
// The reader against a ring buffer in memory that is laid out as the kernel does: a page with the consumer's position,
// a page with the producer's, the data.
#include "kernel/ring_reader.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

constexpr std::uint32_t kBytes = 4096;
constexpr std::size_t kAll = 1000;

class Ring {
  public:
    Ring() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), fd_(memfd_create("ring", MFD_CLOEXEC)) {
        const std::size_t size = 2 * page_ + kBytes;
        EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
        mapped_ = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    }
    ~Ring() { munmap(mapped_, 2 * page_ + kBytes); }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    RingReader reader() const { return std::move(*RingReader::open(fd_.get(), kBytes)); }

    // Both positions, as after so many bytes.
    void start_at(std::uint64_t position) {
        consumed() = position;
        produced() = position;
    }

    // Returns where its header is.
    std::uint64_t write(const std::string& record, std::uint32_t flags = 0) {
        const std::uint64_t at = produced();
        mark(at, static_cast<std::uint32_t>(record.size()) | flags);
        for (std::size_t i = 0; i < record.size(); ++i) data()[(at + BPF_RINGBUF_HDR_SZ + i) % kBytes] = record[i];
        produced() += (BPF_RINGBUF_HDR_SZ + record.size() + 7) / 8 * 8;
        return at;
    }

    void mark(std::uint64_t header, std::uint32_t length) { std::memcpy(data() + header % kBytes, &length, 4); }

    std::uint64_t& consumed() { return *reinterpret_cast<std::uint64_t*>(mapped_); }

  private:
    std::uint64_t& produced() { return *reinterpret_cast<std::uint64_t*>(mapped_ + page_); }
    char* data() { return mapped_ + 2 * page_; }

    std::size_t page_;
    UniqueFd fd_;
    char* mapped_ = nullptr;
};

std::vector<std::string> read(RingReader& reader, std::size_t limit = kAll) {
    std::vector<std::string> records;
    const std::size_t count = reader.consume(
        [&](std::span<const std::byte> record) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(record.data()) % 8, 0u);
            records.emplace_back(reinterpret_cast<const char*>(record.data()), record.size());
        },
        limit);
    EXPECT_EQ(count, records.size());
    return records;
}

using Records = std::vector<std::string>;

TEST(RingReader, HandsOverInOrderAndGivesTheSpaceBack) {
    Ring ring;
    RingReader reader = ring.reader();
    EXPECT_EQ(read(reader), Records{});
    ring.write("one");
    ring.write("a second one");
    EXPECT_EQ(read(reader), (Records{"one", "a second one"}));
    EXPECT_EQ(ring.consumed(), 16u + 24u);
    EXPECT_EQ(read(reader), Records{});
}

TEST(RingReader, StopsAtTheLimitAndGoesOnFromThere) {
    Ring ring;
    RingReader reader = ring.reader();
    for (const char* record : {"a", "b", "c"}) ring.write(record);
    EXPECT_EQ(read(reader, 2), (Records{"a", "b"}));
    EXPECT_EQ(read(reader, 2), (Records{"c"}));
}

TEST(RingReader, PassesOverWhatWasDiscardedAndDoesNotCountIt) {
    Ring ring;
    RingReader reader = ring.reader();
    ring.write("no", BPF_RINGBUF_DISCARD_BIT);
    ring.write("yes");
    ring.write("no", BPF_RINGBUF_DISCARD_BIT);
    EXPECT_EQ(read(reader, 1), Records{"yes"});
    EXPECT_EQ(read(reader), Records{});
    EXPECT_EQ(ring.consumed(), 48u);
}

TEST(RingReader, WaitsForARecordThatIsStillBeingWritten) {
    Ring ring;
    RingReader reader = ring.reader();
    ring.write("done");
    const std::uint64_t slow = ring.write("slow", BPF_RINGBUF_BUSY_BIT);
    ring.write("done too");
    EXPECT_EQ(read(reader), Records{"done"});
    ring.mark(slow, 4);
    EXPECT_EQ(read(reader), (Records{"slow", "done too"}));
}

// Wherever in a record the end comes, the one before and the one after it included.
TEST(RingReader, PutsARecordTogetherThatRunsOverTheEnd) {
    for (std::uint64_t before_end = 0; before_end <= 64; before_end += 8) {
        Ring ring;
        ring.start_at(7 * std::uint64_t{kBytes} - before_end);
        RingReader reader = ring.reader();
        const Records records{"a record of 23 letters.", std::string(100, 'x'), "after"};
        for (const std::string& record : records) ring.write(record);
        EXPECT_EQ(read(reader), records) << before_end;
    }
}

TEST(RingReader, SaysWhatCannotBeMapped) {
    const auto reader = RingReader::open(-1, kBytes);
    ASSERT_FALSE(reader);
    EXPECT_EQ(reader.error().what, "cannot map the ring buffer");
    EXPECT_EQ(reader.error().code, EBADF);
}

}  // namespace
}  // namespace bindtrace
