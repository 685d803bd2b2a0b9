// SPDX-License-Identifier: MIT
// What is said of an address that the kernel did not find: nobody has it, it came too late, or it is where the socket
// does not look.
#pragma once

#include <string>
#include <vector>

#include "diagnose/words.h"

namespace bindtrace {

std::string summary_of_address(const Case& about);
const char* rule_of_address(const Case& about);
void advise_about_address(const Case& about, std::vector<std::string>& advice);

}  // namespace bindtrace
