// SPDX-License-Identifier: MIT
#include "sink/escape.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace bindtrace {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = 0x8080808080808080;

constexpr std::uint64_t zero_byte(std::uint64_t word) {
    return (word - kOnes) & ~word & kHighBits;
}

constexpr std::uint64_t byte_equal(std::uint64_t word, unsigned char value) {
    return zero_byte(word ^ (kOnes * value));
}

constexpr std::uint64_t byte_below(std::uint64_t word, unsigned char limit) {
    return (word - kOnes * limit) & ~word & kHighBits;
}

enum class Form { json, text };

template <Form form>
bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '\\' && (form == Form::text || byte != '"');
}

// How many leading bytes need no look: printable ASCII without the form's own metacharacters. Eight at a time, since
// nearly all of what processes are called is that.
template <Form form>
std::size_t plain_prefix(std::string_view bytes) {
    std::size_t done = 0;
    for (; done + sizeof(std::uint64_t) <= bytes.size(); done += sizeof(std::uint64_t)) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + done, sizeof(word));
        std::uint64_t special =
            (word & kHighBits) | byte_below(word, 0x20) | byte_equal(word, 0x7f) | byte_equal(word, '\\');
        if constexpr (form == Form::json) special |= byte_equal(word, '"');
        if (special != 0) break;
    }
    while (done < bytes.size() && is_plain<form>(static_cast<unsigned char>(bytes[done]))) ++done;
    return done;
}

struct Sequence {
    std::size_t length;  // of the character, or of the maximal subpart that is wrong
    char32_t character;  // meaningful when valid
    bool valid;
};

// The sequence that starts at a byte, by Unicode's table 3-7 (well-formed UTF-8 byte sequences). `bytes` is not empty.
Sequence next_sequence(std::string_view bytes) {
    const auto byte_at = [bytes](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
    const unsigned char lead = byte_at(0);
    if (lead < 0x80) return {1, lead, true};

    std::size_t length = 0;
    unsigned char low = 0x80;  // bounds of the second byte, which rule out overlong forms, surrogates and > U+10FFFF
    unsigned char high = 0xbf;
    char32_t character = 0;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
        character = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        character = lead & 0x0fu;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        character = lead & 0x07u;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
    } else {
        return {1, 0, false};
    }

    for (std::size_t i = 1; i < length; ++i) {
        if (i == bytes.size() || byte_at(i) < low || byte_at(i) > high) return {i, 0, false};
        character = character << 6 | (byte_at(i) & 0x3fu);
        low = 0x80;
        high = 0xbf;
    }
    return {length, character, true};
}

// Characters that have no shape of their own but change what is seen around them, or hide: C1 controls, soft hyphen,
// zero-width and bidirectional controls, line and paragraph separators, tags. (General categories Cc, Cf, Zl, Zp,
// without the few Cf that scripts print.)
bool is_invisible(char32_t c) {
    if (c < 0xa0) return c >= 0x7f;
    return c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

void append_json_escape(std::string& out, char32_t character) {
    const auto append_unit = [&out](std::uint32_t unit) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", unit); };
    if (character < 0x10000) {
        append_unit(character);
    } else {
        const std::uint32_t rest = character - 0x10000;
        append_unit(0xd800 + (rest >> 10));
        append_unit(0xdc00 + (rest & 0x3ff));
    }
}

void append_bytes_in_hex(std::string& out, std::string_view bytes) {
    for (const char byte : bytes) {
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(byte));
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view bytes) {
    out.push_back('"');
    for (;;) {
        const std::size_t plain = plain_prefix<Form::json>(bytes);
        out.append(bytes.substr(0, plain));
        bytes.remove_prefix(plain);
        if (bytes.empty()) break;

        const Sequence sequence = next_sequence(bytes);
        if (!sequence.valid) {
            out.append("\xef\xbf\xbd");
        } else if (sequence.character == '"' || sequence.character == '\\') {
            out.push_back('\\');
            out.push_back(static_cast<char>(sequence.character));
        } else if (sequence.character < 0x20 || is_invisible(sequence.character)) {
            append_json_escape(out, sequence.character);
        } else {
            out.append(bytes.substr(0, sequence.length));
        }
        bytes.remove_prefix(sequence.length);
    }
    out.push_back('"');
}

void append_text(std::string& out, std::string_view bytes) {
    for (;;) {
        const std::size_t plain = plain_prefix<Form::text>(bytes);
        out.append(bytes.substr(0, plain));
        bytes.remove_prefix(plain);
        if (bytes.empty()) break;

        const Sequence sequence = next_sequence(bytes);
        if (!sequence.valid || sequence.character < 0x20 || sequence.character == 0x7f) {
            append_bytes_in_hex(out, bytes.substr(0, sequence.length));
        } else if (sequence.character == '\\') {
            out.append("\\\\");
        } else if (is_invisible(sequence.character)) {
            fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<std::uint32_t>(sequence.character));
        } else {
            out.append(bytes.substr(0, sequence.length));
        }
        bytes.remove_prefix(sequence.length);
    }
}

}  // namespace bindtrace
