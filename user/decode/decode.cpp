// SPDX-License-Identifier: MIT
#include "decode/decode.h"

#include <cstring>

namespace bindtrace {

std::optional<Event> decode(std::span<const std::byte> bytes) {
    Event event;
    if (bytes.size() < sizeof(event)) return std::nullopt;
    std::memcpy(&event, bytes.data(), sizeof(event));
    if (event.kind < BT_KIND_BIND || event.kind > BT_KIND_RELEASE) return std::nullopt;
    if (std::memchr(event.task.comm, 0, sizeof(event.task.comm)) == nullptr) return std::nullopt;
    if (event.error < 0) return std::nullopt;
    return event;
}

}  // namespace bindtrace
