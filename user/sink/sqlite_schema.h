// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace bindtrace {

// The tables and views of an SQLite export, with the words on them that `.schema` shows.
std::string sqlite_schema();

}  // namespace bindtrace
