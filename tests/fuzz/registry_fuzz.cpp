// SPDX-License-Identifier: MIT
// Any bytes as a registry. What must hold: a mistake is told with a line that the file has, and what is taken for an
// entry is one that can be checked.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "registry/registry.h"
#include "require.h"

namespace {

using namespace bindtrace;

// "f:LINE: what is wrong".
void require_line(const std::string& told, const std::string& content) {
    require(told.starts_with("f:"));
    long line = 0;
    const auto [end, error] = std::from_chars(told.data() + 2, told.data() + told.size(), line);
    require(error == std::errc() && std::string_view(end, 2) == ": " && end + 2 < told.data() + told.size());
    require(line >= 1 && line <= std::ranges::count(content, '\n') + 2);  // toml++ counts what ends a file
}

void require_checkable(const PortEntry& entry) {
    require(entry.first_port != 0 && entry.first_port <= entry.last_port && entry.line != 0);
    require(entry.protocol == IPPROTO_TCP || entry.protocol == IPPROTO_UDP);
    require(!entry.address || entry.address->family == AF_INET || entry.address->family == AF_INET6);
    require(!entry.netns || (!entry.netns->empty() && entry.netns->find('/') == std::string::npos));
    for (const OwnerRule& owner : entry.owners) require(!owner.name.empty());
    require(!place_text(entry).empty() && !owners_text(entry.owners).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string content(reinterpret_cast<const char*>(data), size);
    const auto entries = parse_registry(content, "f");
    if (!entries) {
        require_line(entries.error().what, content);
    } else {
        for (const PortEntry& entry : *entries) require_checkable(entry);
    }
    return 0;
}
