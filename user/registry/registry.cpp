// SPDX-License-Identifier: MIT
#include "registry/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "bindtrace/rules.h"
#include "filter/filter.h"
#include "model/endpoint.h"
#include "registry/held_sockets.h"
#include "registry/small_file.h"

namespace bindtrace {
namespace {

constexpr const char* kOwnerForms =
    R"(expected a unit such as "nginx.service", "container:NAME", "user:NAME", "exe:/path" or "free")";

// Reads one [[port]]; keeps the first thing that is wrong with it.
class EntryReader {
  public:
    EntryReader(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

    Result<PortEntry> read() {
        PortEntry entry;
        entry.file = file_;
        entry.line = table_.source().begin.line;
        read_keys();
        read_port(entry);
        read_protocol(entry);
        read_address(entry);
        read_owner(entry);
        read_netns(entry);
        if (error_) return *error_;
        return entry;
    }

  private:
    void fail(const toml::node* node, const std::string& what) {
        const toml::node& at = node != nullptr ? *node : table_;
        if (!error_) error_ = Error{fmt::format("{}:{}: {}", file_, at.source().begin.line, what)};
    }

    void read_keys() {
        constexpr std::string_view kKeys[] = {"port", "proto", "address", "owner", "netns"};
        for (const auto& [key, node] : table_) {
            if (std::ranges::count(kKeys, key.str()) == 0)
                fail(&node, fmt::format("unknown key '{}': expected {}", key.str(), fmt::join(kKeys, ", ")));
        }
    }

    // Empty where the key is not there.
    std::optional<std::string> word(const char* key, const char* expected) {
        const toml::node* node = table_.get(key);
        if (node == nullptr) return std::nullopt;
        auto text = node->value_exact<std::string>();
        if (!text || text->empty()) fail(node, fmt::format("{}: expected {}", key, expected));
        return text;
    }

    void read_port(PortEntry& entry) {
        constexpr const char* kExpected = "expected a port from 1 to 65535, or a range such as \"9000-9010\"";
        const toml::node* node = table_.get("port");
        if (node == nullptr) return fail(nullptr, fmt::format("port is missing: {}", kExpected));
        std::string text;
        if (const auto number = node->value_exact<std::int64_t>()) text = std::to_string(*number);
        if (const auto range = node->value_exact<std::string>()) text = *range;
        const auto range = parse_question(text);
        if (!range || !range->protocol.empty())
            return fail(node, text.empty() ? fmt::format("port: {}", kExpected)
                                           : fmt::format("port '{}': {}", text, kExpected));
        entry.first_port = range->first_port;
        entry.last_port = range->last_port;
    }

    void read_protocol(PortEntry& entry) {
        const std::string text = word("proto", "\"tcp\" or \"udp\"").value_or("tcp");
        entry.protocol = text == "udp" ? IPPROTO_UDP : IPPROTO_TCP;
        if (text != "tcp" && text != "udp")
            fail(table_.get("proto"), fmt::format("proto '{}': expected \"tcp\" or \"udp\"", text));
    }

    void read_address(PortEntry& entry) {
        constexpr const char* kExpected = "an IPv4 or IPv6 address such as \"10.0.0.1\" or \"::1\"";
        const auto text = word("address", kExpected);
        if (!text) return;
        const auto address = Cidr::parse(*text);
        if (!address || text->find('/') != std::string::npos)
            return fail(table_.get("address"), fmt::format("address '{}': expected {}", *text, kExpected));
        bt_sock& place = entry.address.emplace();
        place.family = address->family;
        place.opts = BT_OPT_V6ONLY;
        std::ranges::copy(address->address, place.local_addr);
    }

    void read_owner(PortEntry& entry) {
        const toml::node* node = table_.get("owner");
        if (node == nullptr) return fail(nullptr, fmt::format("owner is missing: {}", kOwnerForms));
        if (const toml::array* list = node->as_array()) {
            if (list->empty()) return fail(node, fmt::format("owner: {}", kOwnerForms));
            for (const toml::node& one : *list) add_owner(entry, one, true);
        } else {
            add_owner(entry, *node, false);
        }
    }

    void add_owner(PortEntry& entry, const toml::node& node, bool in_list) {
        const auto text = node.value_exact<std::string>();
        if (!text) return fail(&node, fmt::format("owner: {}", kOwnerForms));
        if (*text == "free" && !in_list) return;
        using Kind = OwnerRule::Kind;
        constexpr std::pair<std::string_view, Kind> kPrefixes[] = {
            {"container:", Kind::container}, {"user:", Kind::user}, {"exe:/", Kind::exe}};
        for (const auto& [prefix, kind] : kPrefixes) {
            if (!text->starts_with(prefix) || text->size() == prefix.size()) continue;
            return entry.owners.push_back({kind, text->substr(text->find(':') + 1)}), void();
        }
        constexpr std::string_view kUnits[] = {".service", ".socket", ".scope"};
        const auto is_type = [&](std::string_view type) { return text->size() > type.size() && text->ends_with(type); };
        const bool plain = text->find_first_of("/ ") == std::string::npos;
        if (!plain || std::ranges::none_of(kUnits, is_type))
            return fail(&node, fmt::format("owner '{}': {}", *text, kOwnerForms));
        entry.owners.push_back({Kind::unit, *text});
    }

    void read_netns(PortEntry& entry) {
        constexpr const char* kExpected = "a name that `ip netns` lists, or \"host\"";
        entry.netns = word("netns", kExpected);
        if (entry.netns && (entry.netns->find('/') != std::string::npos || *entry.netns == ".."))
            fail(table_.get("netns"), fmt::format("netns '{}': expected {}", *entry.netns, kExpected));
    }

    const toml::table& table_;
    std::string file_;
    std::optional<Error> error_;
};

bool same_place(const PortEntry& one, const PortEntry& other) {
    return one.protocol == other.protocol && one.netns == other.netns && one.first_port <= other.last_port &&
           other.first_port <= one.last_port &&
           (!one.address || !other.address || bt_addresses_overlap(&*one.address, &*other.address) != 0);
}

Status refuse_overlaps(const std::vector<PortEntry>& entries) {
    std::vector<const PortEntry*> by_port;
    by_port.reserve(entries.size());
    for (const PortEntry& entry : entries) by_port.push_back(&entry);
    std::ranges::stable_sort(by_port, {}, &PortEntry::first_port);
    for (auto one = by_port.begin(); one != by_port.end(); ++one) {
        for (auto other = one + 1; other != by_port.end() && (*other)->first_port <= (*one)->last_port; ++other) {
            if (!same_place(**one, **other)) continue;
            return Error{
                fmt::format("{}:{}: {} is in the registry twice: {}:{} has {} already", (*other)->file, (*other)->line,
                            place_text(**other), (*one)->file, (*one)->line, place_text(**one)),
                0, "expected one entry for each port and address; owner may be a list"};
        }
    }
    return {};
}

Result<std::vector<std::string>> files_of(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (!fs::is_directory(path, error)) return std::vector{path};
    std::vector<std::string> files;
    fs::directory_iterator entry(path, error), end;
    for (; !error && entry != end; entry.increment(error)) {
        if (entry->path().extension() == ".toml") files.push_back(entry->path());
    }
    if (error) return Error{"cannot read the folder " + path, error.value()};
    if (files.empty()) return Error{path + " has no *.toml in it", 0, "expected a registry, or a folder of them"};
    std::ranges::sort(files);
    return files;
}

}  // namespace

Result<std::vector<PortEntry>> parse_registry(const std::string& content, const std::string& file) {
    const toml::parse_result parsed = toml::parse(std::string_view(content), std::string_view(file));
    if (!parsed)
        return Error{fmt::format("{}:{}: {}", file, parsed.error().source().begin.line, parsed.error().description())};
    std::vector<PortEntry> entries;
    for (const auto& [key, node] : parsed.table()) {
        const toml::array* ports = node.as_array();
        if (key.str() != "port" || ports == nullptr || !ports->is_homogeneous<toml::table>())
            return Error{
                fmt::format("{}:{}: '{}': expected [[port]] entries only", file, node.source().begin.line, key.str())};
        for (const toml::node& port : *ports) {
            auto entry = EntryReader(*port.as_table(), file).read();
            if (!entry) return entry.error();
            entries.push_back(std::move(*entry));
        }
    }
    if (entries.empty()) return Error{file + ":1: there is no entry in it: expected at least one [[port]]"};
    return entries;
}

Result<std::vector<PortEntry>> read_registries(const std::vector<std::string>& paths) {
    std::vector<PortEntry> entries;
    for (const std::string& path : paths) {
        const auto files = files_of(path);
        if (!files) return files.error();
        for (const std::string& file : *files) {
            const auto content = read_small_file(file);
            if (!content) return content.error();
            auto more = parse_registry(*content, file);
            if (!more) return more.error();
            std::ranges::move(*more, std::back_inserter(entries));
        }
    }
    if (Status status = refuse_overlaps(entries); !status) return status.error();
    return entries;
}

bool covers_address(const PortEntry& entry, const bt_sock& sock) {
    return !entry.address || bt_addresses_overlap(&*entry.address, &sock) != 0;
}

bool concerns(const PortEntry& entry, const bt_sock& sock, std::uint32_t netns) {
    return sock.netns == netns && has_ports_of(sock, entry.protocol) && sock.local_port >= entry.first_port &&
           sock.local_port <= entry.last_port && covers_address(entry, sock);
}

}  // namespace bindtrace
