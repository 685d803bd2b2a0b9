// SPDX-License-Identifier: MIT
// The reading end of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF).
//
// libbpf's own maps the data twice in a row, so that a record that runs over the end can be read in one piece, and each
// page then counts twice as resident memory. This one maps it once and copies the one record in thousands that runs
// over: a ring buffer of twice the size for the same memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"

namespace bindtrace {

class RingReader {
  public:
    // `bytes` is the map's max_entries: a power of two, a multiple of the page size. The map has to outlive the reader.
    static Result<RingReader> open(int map_fd, std::uint32_t bytes);

    // Hands records over to `handle`, as std::span<const std::byte> aligned to 8 bytes, valid for the call only, up to
    // one that is still being written. At most `limit`. Returns how many.
    template <typename Handle>
    std::size_t consume(const Handle& handle, std::size_t limit) {
        std::size_t consumed = 0;
        while (consumed < limit && find_next()) {
            if (!discarded_) {
                handle(record_);
                ++consumed;
            }
            release();
        }
        return consumed;
    }

  private:
    struct Unmap {
        std::size_t bytes;
        void operator()(std::byte* mapped) const;
    };
    using Mapping = std::unique_ptr<std::byte, Unmap>;

    RingReader(Mapping consumer, Mapping producer, std::uint32_t bytes);

    bool find_next();
    void release();

    Mapping consumer_;  // a page: the position of what was read last, ours to write
    Mapping producer_;  // a page: the position of what was reserved last; then the data
    const std::byte* data_;
    std::uint32_t bytes_;
    unsigned long position_;
    std::span<const std::byte> record_;  // the one at position_
    bool discarded_ = false;
    std::vector<std::uint64_t> whole_;  // of a record that runs over the end
};

}  // namespace bindtrace
