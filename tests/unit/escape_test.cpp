// SPDX-License-Identifier: MIT
#include "sink/escape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace bindtrace {
namespace {

using std::string_view_literals::operator""sv;

std::string json(std::string_view bytes) {
    std::string out;
    append_json_string(out, bytes);
    return out;
}

std::string text(std::string_view bytes) {
    std::string out;
    append_text(out, bytes);
    return out;
}

TEST(JsonString, KeepsWhatPeopleRead) {
    EXPECT_EQ(json(""), R"("")");
    EXPECT_EQ(json("nginx: worker process"), R"("nginx: worker process")");
    EXPECT_EQ(json("größe ポート 🚀"), R"("größe ポート 🚀")");
}

TEST(JsonString, EscapesQuotesBackslashesAndControls) {
    EXPECT_EQ(json("a\"b\\c/d"), R"("a\"b\\c/d")");
    EXPECT_EQ(json("\0\x01\t\n\x1b\x1f\x7f"sv), R"("\u0000\u0001\u0009\u000a\u001b\u001f\u007f")");
    EXPECT_EQ(json("\xc2\x80\xc2\x9b\xc2\x9f"), R"("\u0080\u009b\u009f")");
}

TEST(JsonString, SpellsOutInvisibleCharactersLosslessly) {
    EXPECT_EQ(json("\u202egol.exe\u200b"), R"("\u202egol.exe\u200b")");
    EXPECT_EQ(json("\U000e0041"), R"("\udb40\udc41")");
    EXPECT_EQ(nlohmann::json::parse(json("\U000e0041\u202e")), "\U000e0041\u202e");
}

// Unicode 15, section 3.9, tables 3-8 to 3-11.
TEST(JsonString, ReplacesEachMaximalSubpart) {
    EXPECT_EQ(json("a\xff z"), "\"a\uFFFD z\"");
    EXPECT_EQ(json("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\"");
    EXPECT_EQ(json("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\"");
    EXPECT_EQ(json("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB\"");
    EXPECT_EQ(json("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), "\"\uFFFD\uFFFD\uFFFD\uFFFDA\"");
}

TEST(JsonString, ReplacesATruncatedEnd) {
    EXPECT_EQ(json("caf\xc3"), "\"caf\uFFFD\"");
    EXPECT_EQ(json("\xf0\x9f\x9a"), "\"\uFFFD\"");
}

// The word-at-a-time scan must stop at the same byte as the byte scan, wherever it stands in a word.
TEST(JsonString, FindsEachSpecialByteAtEachOffset) {
    for (int byte = 0; byte < 256; ++byte) {
        for (std::size_t offset = 0; offset < 20; ++offset) {
            std::string bytes(20, 'a');
            bytes[offset] = static_cast<char>(byte);
            std::string expected = bytes;
            if (byte >= 0x80) expected.replace(offset, 1, "\uFFFD");
            ASSERT_EQ(nlohmann::json::parse(json(bytes)), expected) << byte << " at " << offset;
        }
    }
}

TEST(JsonString, AppendsOnly) {
    std::string out = "{";
    append_json_string(out, "x");
    EXPECT_EQ(out, R"({"x")");
}

TEST(Text, KeepsWhatPeopleRead) {
    EXPECT_EQ(text(""), "");
    EXPECT_EQ(text("Web Content \"x\""), "Web Content \"x\"");
    EXPECT_EQ(text("größe ポート 🚀"), "größe ポート 🚀");
}

TEST(Text, DoublesBackslashes) {
    EXPECT_EQ(text("\\x1b"), "\\\\x1b");
}

TEST(Text, DisarmsControls) {
    EXPECT_EQ(text("\x1b]0;root\x07"), "\\x1b]0;root\\x07");
    EXPECT_EQ(text("a\nb\tc\x7f\0"sv), "a\\x0ab\\x09c\\x7f\\x00");
    EXPECT_EQ(text("\xc2\x9b"
                   "31m"),
              "\\u{9b}31m");
}

TEST(Text, SpellsOutInvisibleCharacters) {
    EXPECT_EQ(text("\u200b\u200f\u202a\u202e\u2066\u2069\ufeff"),
              "\\u{200b}\\u{200f}\\u{202a}\\u{202e}\\u{2066}\\u{2069}\\u{feff}");
    EXPECT_EQ(text("\u2028\u2029\u00ad\u061c\U000e0041"), "\\u{2028}\\u{2029}\\u{ad}\\u{61c}\\u{e0041}");
    EXPECT_EQ(text("\u00a0\u2010\u2027\u202f\u2070"), "\u00a0\u2010\u2027\u202f\u2070");
}

TEST(Text, ShowsTheBytesThatAreNotUtf8) {
    EXPECT_EQ(text("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(text("\xf0\x9f\x9a!"), "\\xf0\\x9f\\x9a!");
    EXPECT_EQ(text("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Text, FindsEachSpecialByteAtEachOffset) {
    for (int byte = 0; byte < 0x80; ++byte) {
        const bool kept = byte >= 0x20 && byte < 0x7f && byte != '\\';
        for (std::size_t offset = 0; offset < 20; ++offset) {
            std::string bytes(20, 'a');
            bytes[offset] = static_cast<char>(byte);
            ASSERT_EQ(text(bytes) == bytes, kept) << byte << " at " << offset;
        }
    }
}

}  // namespace
}  // namespace bindtrace
