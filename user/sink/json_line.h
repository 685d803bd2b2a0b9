// SPDX-License-Identifier: MIT
// One line of JSON, written piece by piece.
#pragma once

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "model/endpoint.h"
#include "sink/escape.h"
#include "sink/time_format.h"

namespace bindtrace {

// Gathers the small pieces of a line on the stack, since forty appends to a string cost more than what they append.
class JsonLine {
  public:
    explicit JsonLine(std::string& out) : out_(out) {}
    ~JsonLine() { flush(); }
    JsonLine(const JsonLine&) = delete;
    JsonLine& operator=(const JsonLine&) = delete;

    // A string literal: punctuation and keys.
    template <std::size_t N>
    void raw(const char (&literal)[N]) {
        char* at = room(N - 1);
        std::memcpy(at, literal, N - 1);
        used_ += N - 1;
    }

    template <typename Integer>
    void number(Integer value) {
        const fmt::format_int digits(value);
        copy({digits.data(), digits.size()});
    }

    template <typename Integer>
    void number_or_null(bool known, Integer value) {
        known ? number(value) : null();
    }

    void null() { raw("null"); }

    void boolean(bool value) {
        if (value) {
            raw("true");
        } else {
            raw("false");
        }
    }

    // One of our own words, which need no escape; empty means unknown.
    void word_or_null(std::string_view word) {
        if (word.empty()) return null();
        raw("\"");
        copy(word);
        raw("\"");
    }

    // Somebody else's bytes.
    void string(std::string_view bytes) {
        flush();
        append_json_string(out_, bytes);
    }

    template <typename OptionalString>
    void string_or_null(const OptionalString& bytes) {
        bytes ? string(*bytes) : null();
    }

    void address_or_null(bool known, std::uint16_t family, const std::uint8_t* address) {
        if (!known || (family != AF_INET && family != AF_INET6)) return null();
        raw("\"");
        char* at = room(kAddressLength);
        used_ += static_cast<std::size_t>(write_address(at, family, address) - at);
        raw("\"");
    }

    void time(UtcTimeFormat& format, std::int64_t time_ns) {
        raw("\"");
        format.write(room(UtcTimeFormat::kLength), time_ns);
        used_ += UtcTimeFormat::kLength;
        raw("\"");
    }

  private:
    char* room(std::size_t size) {
        if (buffer_.size() - used_ < size) flush();
        return buffer_.data() + used_;
    }

    void copy(std::string_view word) {
        char* at = room(word.size());
        std::memcpy(at, word.data(), word.size());
        used_ += word.size();
    }

    void flush() {
        out_.append(buffer_.data(), used_);
        used_ = 0;
    }

    std::string& out_;
    std::size_t used_ = 0;
    std::array<char, 1024> buffer_;  // above the longest single piece
};

}  // namespace bindtrace
