// SPDX-License-Identifier: MIT
#include "model/warning.h"

#include <cstddef>
#include <iterator>

namespace bindtrace {

std::string_view warning_reason_name(WarningReason reason) {
    constexpr std::string_view kWords[] = {"other-owner",    "ephemeral",     "container-published",
                                           "reuseport-join", "unknown-owner", "service-without-port"};
    const auto index = static_cast<std::size_t>(reason);
    return index < std::size(kWords) ? kWords[index] : std::string_view();
}

}  // namespace bindtrace
