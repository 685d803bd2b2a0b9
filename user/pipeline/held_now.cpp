// SPDX-License-Identifier: MIT
#include "pipeline/held_now.h"

namespace bindtrace {

HeldSockets held_now(const PortList& ports, Enricher& enricher) {
    HeldSockets held;
    held.complete = ports.complete;
    for (const PortHolder& port : ports.holders) {
        HeldSocket& socket = held.sockets.emplace_back();
        socket.holder = enricher.holder(port.socket, port.socket.task);
        for (const bt_task& user : port.users) socket.users.push_back(enricher.owner(user));
    }
    return held;
}

}  // namespace bindtrace
