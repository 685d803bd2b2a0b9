// SPDX-License-Identifier: MIT
#include "cli/capture_series.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <tuple>
#include <utility>

namespace bindtrace {
namespace {

void tell_damage(const std::string& name, const ReadReport& read) {
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

bool is_plain_file(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored);
}

Result<SeriesRead> read_series(const std::vector<std::string>& paths, SeriesReceiver& receiver, Tell tell) {
    SeriesRead series;
    for (const std::string& path : in_order(paths)) {
        auto reader = CaptureReader::open(path);
        if (!reader) return reader.error();
        bool is_stopped = false;
        const auto read = (*reader)->read(receiver, [&](const BlockHeader& header) {
            const CaptureReader::Choice choice = receiver.begin_block(header);
            is_stopped = choice == CaptureReader::Choice::stop;
            return choice;
        });
        if (!read) return read.error();
        const FileRead& file = series.files.emplace_back(FileRead{path, *read});
        if (!is_stopped && tell == Tell::damage) tell_damage(path, file.read);
        if (!is_stopped && !file.is_complete()) series.complete = false;
        if (is_stopped) break;
    }
    return series;
}

}  // namespace bindtrace
