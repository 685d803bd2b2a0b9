// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "diagnose/words.h"

namespace bindtrace {

// What to do where no socket is in the way: the request itself was refused, or the range is full.
void advise_about_request(const Case& about, std::vector<std::string>& advice);

// How a setting of the claim's network namespace is set: the host's settings are not those of another.
std::string where_to_set(const Case& about);

}  // namespace bindtrace
