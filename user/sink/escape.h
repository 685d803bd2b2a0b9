// SPDX-License-Identifier: MIT
// Bytes that a process chose (comm, argv, paths, names) made safe for where they end up.
//
// The problem: comm and argv may hold anything but NUL: "\x1b]0;root\x07", half a UTF-8 sequence, a right-to-left
// override that makes "exe.log" of "gol.exe". Printed as they are they repaint the operator's terminal, forge a line,
// or make a JSON parser refuse the record. So: what a person can see stays as it is, whatever the script; what acts on
// the terminal or hides is spelled out. Text keeps every byte recoverable; JSON keeps every valid character, and has no
// way to carry an invalid byte, so that becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>

namespace bindtrace {

// A JSON string with its quotes. Controls (C0, DEL, C1) and invisible format characters become \uXXXX, which a parser
// undoes; each maximal subpart of an ill-formed sequence (Unicode 3.9, D93b) becomes one U+FFFD.
void append_json_string(std::string& out, std::string_view bytes);

// For a terminal. C0, DEL and bytes that are not UTF-8 become \xNN; C1 and invisible format characters \u{202e}; a
// backslash is doubled. The output has no control characters and is valid UTF-8.
void append_text(std::string& out, std::string_view bytes);

}  // namespace bindtrace
