// SPDX-License-Identifier: MIT
#include "cli/captures.h"

#include <spdlog/spdlog.h>

#include <string>

#include "core/exit_codes.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

void tell_file(const FileRead& file) {
    std::string name;
    append_text(name, file.path);
    if (!file.unreadable.empty()) return spdlog::warn("{}", file.unreadable);
    const ReadReport& read = file.read;
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
    if (read.known_blocks != 0)
        spdlog::warn("{}: {} of its {} blocks are in another of the files too, and were passed over here", name,
                     read.known_blocks, read.blocks);
    if (read.skipped.unknown != 0)
        spdlog::info("{}: {} records of kinds that this bindtrace is too old for were skipped", name,
                     read.skipped.unknown);
    if (read.skipped.malformed != 0)
        spdlog::warn("{}: {} records make no sense and were skipped", name, read.skipped.malformed);
    if (read.is_growing)
        spdlog::info("{}: its recorder is still running", name);
    else if (!read.ended && !read.all_known() && read.damage_count == 0)
        spdlog::warn("{}: it has no end: its recorder was killed, or the rest is missing", name);
}

}  // namespace

Result<SetRead> read_and_tell(CaptureSet& captures, BlockReceiver& receiver) {
    auto read = captures.read(receiver);
    if (!read) return read;
    for (const FileRead& file : read->files) tell_file(file);
    for (const auto& [one, other] : read->overlaps) {
        std::string names;
        append_text(names, one);
        names += " and ";
        append_text(names, other);
        spdlog::warn("{} were recorded at the same time on one host: what both saw is told twice", names);
    }
    return read;
}

Result<int> read_captures(CaptureSet& captures, Checkpoints checkpoints, Receiver& receiver,
                          const std::function<bool()>& goes_on) {
    OneStream stream(checkpoints, receiver, goes_on);
    const auto read = read_and_tell(captures, stream);
    if (!read) return read.error();
    return read->is_complete() ? kExitFine : kExitIncomplete;
}

}  // namespace bindtrace
