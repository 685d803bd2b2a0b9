// SPDX-License-Identifier: MIT
#include "cli/captures.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "capture/capture_reader.h"
#include "core/exit_codes.h"

namespace bindtrace {
namespace {

// One stream out of the files of a series: each of them begins with the same meta, and with a checkpoint.
class OneStream final : public Receiver {
  public:
    explicit OneStream(Receiver& next) : next_(next) {}

    void begin_of(std::uint64_t recording) { recording_ = recording; }
    bool has_checkpoint(std::uint64_t recording) const { return checkpointed_.contains(recording); }

    void meta(const Meta& meta) override {
        if (told_.insert(recording_).second) next_.meta(meta);
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        next_.event(event, context, findings);
    }
    void loss(const Loss& loss) override { next_.loss(loss); }
    void checkpoint(const Checkpoint& checkpoint) override {
        if (checkpointed_.insert(recording_).second) next_.checkpoint(checkpoint);
    }

  private:
    Receiver& next_;
    std::uint64_t recording_ = 0;
    std::set<std::uint64_t> told_, checkpointed_;
};

// Tells what could not be read. False where that was anything.
bool tell_damage(const std::string& name, const ReadReport& read) {
    for (const Damage& damage : read.damages)
        spdlog::warn("{}: at byte {}: {}{}", name, damage.offset, damage.what,
                     damage.bytes == 0 ? "" : ", " + std::to_string(damage.bytes) + " bytes");
    if (read.damage_count > read.damages.size())
        spdlog::warn("{}: and {} more places like these", name, read.damage_count - read.damages.size());
    if (read.damage_count != 0)
        spdlog::warn("{}: {} bytes could not be read; all of the {} blocks that are intact were", name, read.lost_bytes,
                     read.blocks);
    if (read.newer_blocks != 0)
        spdlog::warn("{}: {} blocks are in a format that this bindtrace is too old for", name, read.newer_blocks);
    if (read.skipped.unknown != 0)
        spdlog::info("{}: {} records of kinds that this bindtrace is too old for were skipped", name,
                     read.skipped.unknown);
    if (read.skipped.malformed != 0)
        spdlog::warn("{}: {} records make no sense and were skipped", name, read.skipped.malformed);
    if (read.is_growing)
        spdlog::info("{}: its recorder is still running", name);
    else if (!read.ended && read.damage_count == 0)
        spdlog::warn("{}: it has no end: its recorder was killed, or the rest is missing", name);
    return read.complete() && read.skipped.malformed == 0;
}

// When a capture began, and which file of a series it is; only its first blocks are read.
class Beginning final : public Receiver {
  public:
    using Order = std::tuple<std::int64_t, std::uint64_t, std::uint32_t>;

    static Order of(const std::string& path) {
        Beginning beginning;
        auto reader = CaptureReader::open(path);
        if (!reader) return {};
        std::uint64_t recording = 0;
        std::uint32_t sequence = 0;
        bool is_first = true;
        static_cast<void>((*reader)->read(beginning, [&](const BlockHeader& header) {
            if (!std::exchange(is_first, false)) return CaptureReader::Choice::stop;
            recording = header.recording;
            sequence = header.sequence;
            return CaptureReader::Choice::read;
        }));
        return {beginning.time_ns_, recording, sequence};
    }

    void meta(const Meta& meta) override { time_ns_ = meta.time_ns; }
    void event(const Event&, const Context&, const Findings*) override {}
    void loss(const Loss&) override {}

  private:
    std::int64_t time_ns_ = 0;
};

// What is read once cannot be looked at before.
bool is_plain_file(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored);
}

std::vector<std::string> in_order(const std::vector<std::string>& paths) {
    if (paths.size() == 1) return paths;
    std::vector<std::pair<Beginning::Order, std::string>> begun;
    begun.reserve(paths.size());
    for (const std::string& path : paths)
        begun.emplace_back(is_plain_file(path) ? Beginning::of(path) : Beginning::Order{}, path);
    std::ranges::stable_sort(begun, {}, [](const auto& entry) { return entry.first; });
    std::vector<std::string> ordered;
    ordered.reserve(paths.size());
    for (auto& [order, path] : begun) ordered.push_back(std::move(path));
    return ordered;
}

}  // namespace

Result<int> read_captures(const std::vector<std::string>& paths, Checkpoints checkpoints, Receiver& receiver,
                          const std::function<bool()>& goes_on) {
    OneStream stream(receiver);
    int code = kExitFine;
    for (const std::string& path : in_order(paths)) {
        auto reader = CaptureReader::open(path);
        if (!reader) return reader.error();
        const auto read = (*reader)->read(stream, [&](const BlockHeader& header) {
            stream.begin_of(header.recording);
            if (!goes_on()) return CaptureReader::Choice::stop;
            const bool is_wanted = header.kind != BlockKind::checkpoint ||
                                   (checkpoints == Checkpoints::first && !stream.has_checkpoint(header.recording));
            return is_wanted ? CaptureReader::Choice::read : CaptureReader::Choice::skip;
        });
        if (!read) return read.error();
        if (!tell_damage(path, *read)) code = kExitIncomplete;
        if (!goes_on()) break;
    }
    return code;
}

}  // namespace bindtrace
