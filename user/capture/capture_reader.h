// SPDX-License-Identifier: MIT
// Reads a capture from its first byte to its last, from a file or a pipe, whatever has happened to it: each block that
// is intact is handed over, in order, and what is not is told by offset and size. Memory is that of one block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/block.h"
#include "capture/decoder.h"
#include "core/result.h"
#include "core/unique_fd.h"
#include "model/receiver.h"

namespace bindtrace {

// Something that is not as it was written.
struct Damage {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;  // that cannot be read; 0 = they are not even there
    std::string what;
};

struct ReadReport {
    std::vector<Damage> damages;     // the first of them
    std::uint64_t damage_count = 0;  // of all
    std::uint64_t lost_bytes = 0;
    std::uint64_t blocks = 0;        // that were intact
    std::uint64_t newer_blocks = 0;  // of a major version that is not known here
    BlockDecoder::Skipped skipped;
    bool empty = false;
    bool ended = false;       // in order, or it goes on in the next file of its series
    bool is_growing = false;  // its recorder runs

    bool complete() const { return damage_count == 0 && newer_blocks == 0 && (ended || is_growing); }
};

class CaptureReader {
  public:
    // "-" is stdin. Errors: not there, not to be read, a directory.
    static Result<std::unique_ptr<CaptureReader>> open(const std::string& path);
    // Takes bytes from memory.
    static std::unique_ptr<CaptureReader> of(std::string bytes);

    // Asked of each intact block before it is looked into: to find checkpoints by their headers, or to end early.
    enum class Choice { read, skip, stop };
    using Choose = std::function<Choice(const BlockHeader&)>;

    // To be called once. An error where there is nothing at all in there that could be read.
    Result<ReadReport> read(Receiver& receiver, const Choose& choose = {});

  private:
    CaptureReader() = default;
    Status fill(std::size_t bytes);
    std::string_view ahead() const { return std::string_view(buffer_).substr(at_); }
    std::uint64_t offset() const { return before_ + at_; }
    Result<bool> take_block(Receiver& receiver, const Choose& choose);
    void decode(const BlockHeader& header, std::string_view stored, Receiver& receiver);
    Status seek_magic();
    void end_of_damage();
    void check_sequence(const BlockHeader& header);
    void damaged(std::uint64_t offset, std::uint64_t bytes, std::string what);

    static constexpr std::size_t kChunk = 1 << 20;
    static constexpr std::size_t kDamagesKept = 100;

    std::string name_;
    UniqueFd file_;
    bool at_end_ = false;  // all that there is, is in buffer_
    std::string buffer_;
    std::size_t at_ = 0;        // in buffer_
    std::uint64_t before_ = 0;  // bytes that were in buffer_ earlier
    std::optional<std::uint64_t> damage_begin_;
    std::uint64_t damage_end_ = 0;                           // of the last
    std::unordered_map<std::uint64_t, std::uint32_t> next_;  // sequence number, by recording
    BlockUnpacker unpacker_;
    BlockDecoder decoder_;
    ReadReport report_;
    bool is_repeated_ = false;  // the block at hand
    bool is_stopped_ = false;
};

}  // namespace bindtrace
