// SPDX-License-Identifier: MIT
#include "cli/doctor.h"
#include <cstdio>
namespace bindtrace { int run_doctor(const Options&) { std::puts("todo"); return 1; } }
