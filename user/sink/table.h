// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace bindtrace {

// Rows in columns as wide as their longest cell. colour_of(row index): an escape sequence to begin the line with, or
// "".
template <std::size_t Columns, typename ColourOf>
void append_table(std::string& out, const std::vector<std::array<std::string, Columns>>& rows, ColourOf colour_of) {
    std::array<std::size_t, Columns> widths{};
    for (const auto& row : rows)
        for (std::size_t i = 0; i < Columns; ++i) widths[i] = std::max(widths[i], row[i].size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < Columns; ++i) line += fmt::format("{:<{}}  ", rows[r][i], widths[i]);
        line.erase(line.find_last_not_of(' ') + 1);
        const std::string start = colour_of(r);
        out += start + line + (start.empty() ? "\n" : "\x1b[0m\n");
    }
}

}  // namespace bindtrace
