// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "capture/format.h"

namespace bindtrace {

struct BlockHeader {
    std::uint8_t major = kCaptureMajor;
    std::uint8_t minor = kCaptureMinor;
    BlockKind kind{};
    Compression compression = Compression::none;
    std::uint32_t sequence = 0;  // within the recording, from 0, also over the files of a series
    std::uint64_t recording = 0;
    std::uint64_t first_ns = 0;  // boot-time clock, of the records; 0 where they have no time
    std::uint64_t last_ns = 0;
    std::uint32_t stored_bytes = 0;  // of the payload
    std::uint32_t raw_bytes = 0;     // of the payload, uncompressed
    std::uint32_t records = 0;       // definitions included
    std::uint64_t payload_sum = 0;   // XXH64 of the payload as stored
};

// A file that is not the first of its recording begins with what the first began with: with that time too.
constexpr bool is_restated(const BlockHeader& header) {
    return header.kind == BlockKind::head && header.sequence != 0;
}

std::array<char, kBlockHeaderBytes> pack_header(const BlockHeader& header);

// Nothing where it is damaged, or no header at all.
std::optional<BlockHeader> unpack_header(std::string_view bytes);

// Header and payload, compressed where that makes it smaller. Fills in the lengths and the checksum.
class BlockPacker {
  public:
    BlockPacker();
    ~BlockPacker();
    BlockPacker(const BlockPacker&) = delete;
    BlockPacker& operator=(const BlockPacker&) = delete;

    // Lives until the next call.
    std::string_view pack(BlockHeader header, std::string_view records);

  private:
    void* zstd_;
    std::string packed_;
};

class BlockUnpacker {
  public:
    BlockUnpacker();
    ~BlockUnpacker();
    BlockUnpacker(const BlockUnpacker&) = delete;
    BlockUnpacker& operator=(const BlockUnpacker&) = delete;

    // Is the payload what was written? Costs no decompression.
    static bool is_intact(const BlockHeader& header, std::string_view stored);

    // The records of an intact one. Nothing where they are not what the header says. Lives until the next call, and as
    // long as `stored` does.
    std::optional<std::string_view> unpack(const BlockHeader& header, std::string_view stored);

  private:
    void* zstd_;
    std::string raw_;
};

}  // namespace bindtrace
