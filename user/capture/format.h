// SPDX-License-Identifier: MIT
// The capture format; FORMAT.md describes it for who writes a reader.
//
// A capture is written on a machine in trouble, cut short by a crash or a full disk, and read elsewhere. So it is a row
// of blocks, each complete in itself: a header with a checksum, and a zstd frame of records that refer to nothing
// outside. Any block that is intact can be read, whatever happened to those around it; what is lost is known by offset
// and size, since headers carry a sequence number. It is only ever appended to, one write(2) a block.
//
// Why not another format:
//   scap    records system calls with their arguments, from which one would have to derive again what we know already;
//           its blocks have no checksum, and its tables of processes are only at its start.
//   CTF     describes itself by a language of its own in a file beside the data: a capture would be a folder, and a cut
//           one needs repair.
//   pcapng  has blocks that can be skipped, but neither checksums nor compression, and its data are packets.
//   SQLite  rewrites pages in place with a journal: several times the bytes, fsync or corruption, no pipe, and a cut
//           file does not open. It is what one exports to.
//   JSON|zstd  is 30 times larger before compression, costs more CPU than all the rest, and cut anywhere loses its
//   tail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bindtrace {

// The first byte is no ASCII, and the line ends are both kinds: a transfer that mangles text shows at once (as in PNG).
inline constexpr std::string_view kCaptureMagic{
    "\xb7"
    "btcap\r\n",
    8};
inline constexpr std::uint8_t kCaptureMajor = 1;  // a reader refuses a newer one
inline constexpr std::uint8_t kCaptureMinor = 0;  // more kinds of records and more fields at their ends

inline constexpr std::size_t kBlockHeaderBytes = 64;
inline constexpr std::size_t kBlockGoal = 256 << 10;  // bytes of records, uncompressed, after which a block is written
inline constexpr std::size_t kBlockLimit = 16 << 20;  // no header with larger lengths is believed

enum class BlockKind : std::uint8_t {
    head = 1,        // META, HOST and NETNS: the first of each file
    events = 2,      // EVENT, FAILURE, LOSS, NETNS
    checkpoint = 3,  // HOLDERS and HELD
    end = 4,         // END: the last of each file
};

enum class Compression : std::uint8_t { none = 0, zstd = 1 };

// Definitions are numbered from 1 by kind within their block; 0 refers to nothing.
enum class RecordKind : std::uint8_t {
    string = 1,
    cgroup = 2,
    netns_name = 3,
    task = 4,
    shape = 5,
    clock = 6,
    container = 7,
    meta = 16,
    host = 17,
    netns = 18,
    holders = 19,
    held = 20,
    event = 32,
    failure = 33,
    loss = 34,
    warning = 35,
    end = 48,
};

}  // namespace bindtrace
