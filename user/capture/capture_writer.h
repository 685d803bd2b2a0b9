// SPDX-License-Identifier: MIT
// Puts what it is handed into blocks, and those into a file or a series of them. A block is written when it is large
// enough, each second, and after each failure; what had not been written then is lost with a crash, and nothing else.
//
//     start -> event, loss, netns ... flush() after each batch, tick() each second -> went_on_until(), finish()
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/block.h"
#include "capture/encoder.h"
#include "capture/holder_table.h"
#include "core/result.h"
#include "model/receiver.h"

namespace bindtrace {

// Where blocks go.
class BlockOutput {
  public:
    BlockOutput() = default;
    BlockOutput(const BlockOutput&) = delete;
    BlockOutput& operator=(const BlockOutput&) = delete;
    virtual ~BlockOutput() = default;

    // The whole block or, where that fails, nothing of it.
    virtual Status write(std::string_view block) = 0;

    // Is a new file due before so many bytes more?
    virtual bool is_full(std::size_t /*bytes*/) const { return false; }
    virtual Status next_file() { return {}; }

    // Bytes of records that a block of events should not exceed.
    virtual std::size_t goal() const { return kBlockGoal; }

    // Bytes that a head or a checkpoint may take, as stored.
    virtual std::size_t share() const { return kBlockLimit; }
};

class CaptureWriter final : public Receiver {
  public:
    explicit CaptureWriter(BlockOutput& output) : output_(output) {}

    // The ports held at the start come from a look of their own; complete: all of them.
    Status start(const Meta& meta, const Host& host, const std::vector<HeldPort>& ports, bool complete);

    void meta(const Meta& meta) override { meta_ = meta; }
    void host(const Host& host) override { host_ = host; }
    void netns(const NetnsFacts& netns) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override;
    void warning(const Warning& warning) override;

    // The recording has come so far: what follows is not before that.
    void went_on_until(std::int64_t time_ns, std::uint64_t ktime_ns);

    // Writing has failed where these do; then nothing more is written, and what comes is only counted.
    Status flush();
    Status tick(std::int64_t time_ns, std::uint64_t ktime_ns);
    Status finish();

    std::uint64_t bytes() const { return bytes_; }

    // Events that are not written yet; after finish() those that writing failed for.
    std::uint64_t lost() const { return totals_.events - written_events_; }

  private:
    static constexpr std::uint64_t kCheckpointNs = 60'000'000'000;
    static constexpr std::size_t kNetnsRestated = 256;

    BlockHeader header(BlockKind kind) const;
    std::string_view pack(BlockKind kind, const BlockEncoder& encoder);
    std::string_view pack_checkpoint();
    bool fits(std::string_view block, const BlockEncoder& encoder) const;
    Status put(std::string_view block);
    Status write_events();
    Status write_head();
    Status write_checkpoint();
    Status write_checkpoint_or_change();
    Status write_end(bool continues);
    Status change_file();

    BlockOutput& output_;
    Meta meta_;
    Host host_;
    std::vector<NetnsFacts> netns_;
    TaskCache tasks_;
    HolderTable holders_{tasks_};
    BlockEncoder events_{tasks_};
    BlockPacker packer_;
    std::uint32_t sequence_ = 0;
    std::uint64_t bytes_ = 0;
    std::size_t held_room_ = HolderTable::kCapacity * 2;  // ports that a checkpoint may have room for, by the last one
    bool urgent_ = false;                                 // a failure waits to be written
    std::int64_t time_ns_ = 0;
    std::uint64_t ktime_ns_ = 0, next_checkpoint_ns_ = 0;
    RecordingEnd totals_;
    std::uint64_t written_events_ = 0;
    Status status_;
};

}  // namespace bindtrace
