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
#include <utility>
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
    std::uint64_t known_blocks = 0;  // of those: they were in earlier files too, and were passed over
    std::uint64_t newer_blocks = 0;  // of a major version that is not known here
    BlockDecoder::Skipped skipped;
    bool empty = false;
    bool ended = false;       // in order, or it goes on in the next file of its series
    bool is_growing = false;  // its recorder runs

    bool all_known() const { return blocks != 0 && known_blocks == blocks; }
    bool complete() const { return damage_count == 0 && newer_blocks == 0 && (ended || is_growing || all_known()); }
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

    // The same step by step:
    //
    //     while (next_block()) while (next_record()) ...; end()

    // The header of the next intact block, which is not taken yet; null where there is none.
    Result<const BlockHeader*> peek();
    // Takes it. False: there is none, or it was the end by choice.
    Result<bool> next_block(const Choose& choose = {});
    // Takes a record of it, as BlockDecoder::next() does.
    bool next_record(Receiver& receiver) { return decoder_.next(receiver); }
    Result<ReadReport> end();

    // The sequence number that comes next, by recording. What is before those of earlier files has been read there.
    using Sequences = std::unordered_map<std::uint64_t, std::uint32_t>;
    void begin_after(Sequences earlier) { earlier_ = std::move(earlier); }
    Sequences sequences() const;

  private:
    CaptureReader() = default;
    Status fill(std::size_t bytes);
    std::string_view ahead() const { return std::string_view(buffer_).substr(at_); }
    std::uint64_t offset() const { return before_ + at_; }
    Result<bool> find_block();
    void unpack(const BlockHeader& header, std::string_view stored);
    Status seek_magic();
    void end_of_damage();
    void check_sequence(const BlockHeader& header);
    void damaged(std::uint64_t offset, std::uint64_t bytes, std::string what);

    bool may_look_into(const BlockHeader& header) const;

    static constexpr std::size_t kChunk = 1 << 20;
    static constexpr std::uint64_t kInVain = 4 * kBlockLimit;
    static constexpr std::size_t kDamagesKept = 100;

    std::string name_;
    UniqueFd file_;
    bool at_end_ = false;  // all that there is, is in buffer_
    std::string buffer_;
    std::size_t at_ = 0;        // in buffer_
    std::uint64_t before_ = 0;  // bytes that were in buffer_ earlier
    std::optional<std::uint64_t> damage_begin_;
    std::uint64_t damage_end_ = 0;      // of the last
    std::uint64_t in_vain_ = 0;         // bytes of payloads that were looked into and were not intact
    std::optional<BlockHeader> found_;  // at at_, not taken yet
    Sequences earlier_, next_;
    bool begins_like_one_ = false;
    BlockUnpacker unpacker_;
    BlockDecoder decoder_;
    ReadReport report_;
    bool is_repeated_ = false;  // the block at hand
    bool is_stopped_ = false;
};

}  // namespace bindtrace
