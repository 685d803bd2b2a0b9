// SPDX-License-Identifier: MIT
// The primitives of a record: unsigned numbers as LEB128 (seven bits a byte, the low ones first), signed ones with the
// sign in the lowest bit, bytes with their length before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bindtrace {

class WireWriter {
  public:
    void number(std::uint64_t value) {
        while (value >= 0x80) {
            out_ += static_cast<char>(value | 0x80);
            value >>= 7;
        }
        out_ += static_cast<char>(value);
    }
    void signed_number(std::int64_t value) {
        number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
    }
    // Wraps around, as the reader's sum does.
    void difference(std::uint64_t value, std::uint64_t from) { signed_number(static_cast<std::int64_t>(value - from)); }
    void bytes(std::string_view value) {
        number(value.size());
        out_ += value;
    }

    const std::string& out() const { return out_; }
    void clear() { out_.clear(); }

  private:
    std::string out_;
};

// What is missing at the end is 0 and empty: an older writer did not have it. What is cut in the middle is an error.
class WireReader {
  public:
    WireReader() = default;
    explicit WireReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    std::uint64_t number() {
        if (at_ == end_) return 0;
        std::uint64_t value = 0;
        for (unsigned shift = 0; at_ != end_ && shift < 64; shift += 7) {
            const auto byte = static_cast<std::uint8_t>(*at_++);
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        fail();
        return 0;
    }
    template <typename Number>
    Number narrow() {
        return static_cast<Number>(number());
    }
    std::int64_t signed_number() {
        const std::uint64_t value = number();
        return static_cast<std::int64_t>(value >> 1 ^ (0 - (value & 1)));
    }
    std::uint64_t difference(std::uint64_t from) { return from + static_cast<std::uint64_t>(signed_number()); }
    std::string_view bytes() {
        const std::uint64_t length = number();
        if (length > left()) {
            fail();
            return {};
        }
        const std::string_view value(at_, length);
        at_ += length;
        return value;
    }

    // Fields with a length of their own; empty = they are not there.
    template <typename Take>
    void part(Take take) {
        const std::string_view fields = bytes();
        if (fields.empty()) return;
        WireReader reader(fields);
        take(reader);
        if (reader.failed()) fail();
    }

    // All that is left.
    std::string_view rest() {
        const std::string_view value(at_, left());
        at_ = end_;
        return value;
    }

    // A number of things to come, each of at least a byte; 0 where there cannot be as many.
    std::size_t count() {
        const std::uint64_t value = number();
        if (value <= left()) return value;
        fail();
        return 0;
    }

    bool at_end() const { return at_ == end_; }
    bool failed() const { return failed_; }
    void fail() {
        failed_ = true;
        at_ = end_;
    }

  private:
    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

    const char* at_ = nullptr;
    const char* end_ = nullptr;
    bool failed_ = false;
};

}  // namespace bindtrace
