// SPDX-License-Identifier: MIT
#include "sink/json_port_entry.h"

#include <netinet/in.h>

namespace bindtrace {

void write_port_entry(JsonLine& line, const PortEntry& entry) {
    line.raw("\"file\":");
    line.string(entry.file);
    line.raw(",\"line\":");
    line.number(entry.line);
    line.raw(",\"port\":");
    line.number(entry.first_port);
    line.raw(",\"last_port\":");
    line.number(entry.last_port);
    line.raw(",\"proto\":");
    line.word_or_null(entry.protocol == IPPROTO_UDP ? "udp" : "tcp");
    line.raw(",\"addr\":");
    line.address_or_null(entry.address.has_value(), entry.address ? entry.address->family : std::uint16_t{0},
                         entry.address ? entry.address->local_addr : nullptr);
    line.raw(",\"owners\":[");
    for (const OwnerRule& owner : entry.owners) {
        if (&owner != &entry.owners.front()) line.raw(",");
        line.string(owners_text({owner}));
    }
    line.raw("]");
}

void write_registry_entry(JsonLine& line, const PortEntry& entry) {
    line.raw("{");
    write_port_entry(line, entry);
    line.raw(",\"netns\":");
    line.string_or_null(entry.netns);
    line.raw("}");
}

}  // namespace bindtrace
