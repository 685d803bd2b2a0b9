// SPDX-License-Identifier: MIT
#include "cli/replay.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "capture/capture_reader.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "filter/recorded_filter.h"
#include "pipeline/teller.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

constexpr std::size_t kOutputGoal = 64 << 10;  // bytes that are written at once

// One stream out of the files of a series: each of them begins with the same meta.
class Replay final : public Receiver {
  public:
    Replay(Output& output, Sink& sink, const RecordedFilter& filter)
        : output_(output), teller_(sink, output.buffer()), filter_(filter) {}

    void begin_of(std::uint64_t recording) { recording_ = recording; }

    void meta(const Meta& meta) override {
        if (!told_.insert(recording_).second) return;
        teller_.meta(meta);
        flush();
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        if (!status_ || !filter_.matches(event, context)) return;
        ++events_;
        if (findings != nullptr) ++failures_;
        teller_.event(event, context, findings);
        flush();
    }
    void loss(const Loss& loss) override {
        lost_ += loss.count;
        teller_.loss(loss);
        flush();
    }

    Status status() const { return status_; }
    void tell_totals() const { spdlog::info("{} events, {} of them failures, {} lost", events_, failures_, lost_); }

  private:
    void flush() {
        if (status_ && output_.buffer().size() >= kOutputGoal) status_ = output_.flush();
    }

    Output& output_;
    Teller teller_;
    const RecordedFilter& filter_;
    std::uint64_t recording_ = 0;
    std::set<std::uint64_t> told_;
    std::uint64_t events_ = 0, failures_ = 0, lost_ = 0;
    Status status_;
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

int run_replay(const Options& options) {
    const auto filter = resolve_recorded(options.filter);
    if (!filter) return report(filter.error(), kExitUsage);
    const std::unique_ptr<Sink> sink = make_sink(options.json);
    Output output(STDOUT_FILENO, -1);
    Replay replay(output, *sink, *filter);
    int code = kExitFine;
    for (const std::string& path : in_order(options.captures)) {
        auto reader = CaptureReader::open(path);
        if (!reader) return report(reader.error(), kExitRuntime);
        const auto read = (*reader)->read(replay, [&replay](const BlockHeader& header) {
            replay.begin_of(header.recording);
            if (!replay.status()) return CaptureReader::Choice::stop;
            return header.kind == BlockKind::checkpoint ? CaptureReader::Choice::skip : CaptureReader::Choice::read;
        });
        if (!read) {
            static_cast<void>(output.finish());
            return report(read.error(), kExitRuntime);
        }
        if (!tell_damage(path, *read)) code = kExitIncomplete;
        if (!replay.status()) break;
    }
    Status status = replay.status();
    if (status) status = output.finish();
    if (!status) return report(status.error(), kExitRuntime);
    replay.tell_totals();
    return code;
}

}  // namespace bindtrace
