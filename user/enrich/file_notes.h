// SPDX-License-Identifier: MIT
// What was read of files, for as long as they stay as they were: to ask whether a file has changed takes a seventh of
// the time that reading it does.
//
// A file that changes, or that another takes the place of, gets a time of the kernel's own (ctime), which nobody can
// set back. But the clock behind it ticks every few milliseconds, and some file systems keep whole seconds, or every
// other one: what changes again within a tick of being read looks the same as before, as in git's index. So nothing is
// noted of a file that has not been left alone for longer than that; it is read again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "core/bounded_cache.h"

namespace bindtrace {

// Tells a file as it is now from any other, and from itself when it has changed.
struct FileStamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;  // mtime, ctime
    bool operator==(const FileStamp&) const = default;
};

template <typename Value>
class FileNotes {
  public:
    // At most so many, the least recently used go first.
    explicit FileNotes(std::size_t capacity) : notes_(capacity) {}

    // Null where nothing is known of the file as it is. Lives until the next note.
    const Value* find(const FileStamp& stamp) { return notes_.find(stamp); }

    // stamp: taken before the file was read, and not before now_ns (UTC).
    void keep(const FileStamp& stamp, std::int64_t now_ns, Value value) {
        if (std::max(stamp.modified_ns, stamp.changed_ns) + kTickNs < now_ns) notes_.insert(stamp, std::move(value));
    }

    std::size_t size() const { return notes_.size(); }

  private:
    static constexpr std::int64_t kTickNs = 2'000'000'000;  // of FAT, the slowest

    struct Hash {
        std::size_t operator()(const FileStamp& stamp) const {
            return std::hash<std::uint64_t>()(stamp.inode ^ static_cast<std::uint64_t>(stamp.changed_ns) << 20);
        }
    };
    BoundedCache<FileStamp, Value, Hash> notes_;
};

}  // namespace bindtrace
