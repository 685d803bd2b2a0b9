// SPDX-License-Identifier: MIT
// The files of one recording, read one after the other: FILE.2, FILE.1, FILE. One file is open at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capture/capture_reader.h"
#include "core/result.h"
#include "model/receiver.h"

namespace bindtrace {

// Takes what captures have in them.
class BlockReceiver : public Receiver {
  public:
    // Asked of each intact block before what is in it is handed over. `stop` ends the reading of all captures.
    virtual CaptureReader::Choice begin_block(const BlockHeader& header) = 0;
};

// What a capture's first intact block tells.
struct CaptureBeginning {
    std::string path;
    bool has_block = false;
    std::uint64_t recording = 0;
    std::uint32_t sequence = 0;  // of that block
    std::uint64_t bytes = 0;     // of the file; 0 = not known
    Meta meta;                   // empty where the block is no head, or was not looked into
    Host host;
    std::unique_ptr<CaptureReader> reader;  // of a pipe, which cannot be opened a second time
};

struct FileRead {
    std::string path;
    ReadReport read;
    std::string unreadable;  // why nothing of it could be read; empty = something could

    bool is_complete() const { return unreadable.empty() && read.complete() && read.skipped.malformed == 0; }
};

class CaptureChain {
  public:
    // Takes its place behind those that are there.
    void add(CaptureBeginning file) { files_.push_back(std::move(file)); }

    // To be called before each reading.
    void begin();

    // Takes the next record: hands over one value, or nothing. False: that was all, or `blocks` wanted no more.
    Result<bool> next(BlockReceiver& blocks, Receiver& to);

    bool is_stopped() const { return is_stopped_; }
    const CaptureBeginning& first() const { return files_.front(); }
    const CaptureBeginning& head() const;                        // the first that has its meta, where one has
    const std::vector<FileRead>& read() const { return read_; }  // those it is through with

    // By the headers of the blocks that were read, boot-time clock.
    std::uint64_t first_ns() const { return first_ns_; }
    std::uint64_t last_ns() const { return last_ns_; }

  private:
    Result<bool> next_block(BlockReceiver& blocks);
    Status open_next();
    void close();

    std::vector<CaptureBeginning> files_;  // in the order of their sequence numbers
    std::size_t at_ = 0;                   // the file that is open, or comes next
    std::unique_ptr<CaptureReader> reader_;
    CaptureReader::Sequences sequences_;
    std::vector<FileRead> read_;
    std::uint64_t first_ns_ = 0, last_ns_ = 0;
    bool is_stopped_ = false;
};

}  // namespace bindtrace
