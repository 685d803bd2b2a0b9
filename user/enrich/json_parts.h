// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace bindtrace {

// One value of an object or a list, as it is written. key: of a member, without its quotes.
struct JsonPart {
    std::string_view key;
    std::string_view value;
};

// The values of the outermost object or list, in order. A runtime writes kilobytes of which one member is wanted, and a
// parser that makes a tree of all of it takes ten times as long. So only brackets and quotes are looked at here, and
// what is wanted is to be parsed. Nothing where they do not match to the end, as in a file that is half written.
std::optional<std::vector<JsonPart>> json_parts(std::string_view text);

// The value that a text begins with, whatever comes after it.
std::optional<std::string_view> json_value(std::string_view text);

// A member of the outermost object, the last of that name; empty where there is none. Nothing as above.
std::optional<std::string_view> json_member(std::string_view text, std::string_view key);

}  // namespace bindtrace
