// SPDX-License-Identifier: MIT
#include "registry/unit_files.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <system_error>

#include "filter/filter.h"
#include "model/endpoint.h"
#include "registry/small_file.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

// By precedence, as systemd.unit(5) lists them.
constexpr std::string_view kFolders[] = {
    "etc/systemd/system.control",   "run/systemd/system.control",  "run/systemd/transient",
    "run/systemd/generator.early",  "etc/systemd/system",          "etc/systemd/system.attached",
    "run/systemd/system",           "run/systemd/system.attached", "run/systemd/generator",
    "usr/local/lib/systemd/system", "usr/lib/systemd/system",      "lib/systemd/system",
    "run/systemd/generator.late",
};

constexpr const char* kBoundingSet = "Service.CapabilityBoundingSet";

std::string trimmed(std::string_view text) {
    constexpr const char* kBlanks = " \t\r";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

// "Section.Key" and value, in order.
void add_settings(const std::string& content, std::multimap<std::string, std::string>& settings) {
    std::istringstream lines(content);
    std::string section, whole;
    for (std::string line; std::getline(lines, line);) {
        std::string text = trimmed(line);
        if (text.starts_with('#') || text.starts_with(';')) continue;
        whole += text;
        if (whole.ends_with('\\')) {
            whole.back() = ' ';
            continue;
        }
        text = std::exchange(whole, "");
        if (text.starts_with('[') && text.ends_with(']')) section = text.substr(1, text.size() - 2);
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) continue;
        const std::string key = section + "." + trimmed(text.substr(0, equals));
        const std::string value = trimmed(text.substr(equals + 1));
        if (!value.empty())
            settings.emplace(key, value);
        else if (key.starts_with("Socket.Listen"))  // any of them empties the list of all
            std::erase_if(settings, [](const auto& setting) { return setting.first.starts_with("Socket.Listen"); });
        else
            settings.erase(key);
        if (value.empty() && key == kBoundingSet) settings.emplace(key, "");  // is no capability, and not the default
    }
}

std::string last_of(const std::multimap<std::string, std::string>& settings, const std::string& key) {
    const auto [first, last] = settings.equal_range(key);
    return first == last ? "" : std::prev(last)->second;
}

bool same_word(std::string_view one, std::string_view other) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(one, other, {}, lower, lower);
}

bool is_true(const std::string& word) {
    constexpr std::string_view kWords[] = {"1", "yes", "y", "true", "t", "on"};
    return std::ranges::any_of(kWords, [&](std::string_view one) { return same_word(word, one); });
}

// Is CAP_NET_BIND_SERVICE in that set? The first assignment replaces the default, the others add to it, or take away
// with a "~"; none at all, or "~" alone, is nothing, or all.
bool has_bind_capability(const std::multimap<std::string, std::string>& settings, const std::string& key,
                         bool by_default) {
    bool has = by_default, is_default = true;
    const auto [first, last] = settings.equal_range(key);
    for (auto setting = first; setting != last; ++setting) {
        const bool takes_away = setting->second.starts_with('~');
        std::istringstream words(setting->second.substr(takes_away ? 1 : 0));
        bool any = false, named = false;
        for (std::string word; words >> word; any = true)
            named = named || same_word(word, "CAP_NET_BIND_SERVICE") || word == "10";
        if (is_default || !any)
            has = named != takes_away;
        else if (named)
            has = !takes_away;
        is_default = false;
    }
    return has;
}

// Of "app@8080.socket" %i is 8080. What else there is depends on the machine, and is hardly ever a port.
std::string expanded(const std::string& text, std::string_view unit) {
    const std::size_t at = unit.find('@'), dot = unit.rfind('.');
    const std::string_view instance = at < dot ? unit.substr(at + 1, dot - at - 1) : std::string_view();
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 1 < text.size() && (text[i + 1] == 'i' || text[i + 1] == 'I')) {
            out += instance;
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

// Whose drop-ins a unit has: its own, its template's, those of "a-b-" and "a-" for a-b-c.socket, and those of all units
// of its type.
std::vector<std::string> drop_in_owners(const std::string& name) {
    std::vector<std::string> owners = {name};
    const std::string general = template_of(name).value_or(name), type = name.substr(name.rfind('.') + 1);
    if (general != name) owners.push_back(general);
    for (std::size_t dash = general.rfind('-'); dash != std::string::npos && dash > 0;
         dash = general.rfind('-', dash - 1))
        owners.push_back(general.substr(0, dash + 1) + "." + type);
    owners.push_back(type);
    return owners;
}

// "8080", "10.0.0.1:80", "[::1]:80", "[fe80::1]:80%eth0". Nothing for what is no port: a path, "@name", "vsock:...".
std::optional<bt_sock> socket_place(std::string text, std::uint16_t protocol, bool v6only) {
    bt_sock place{};
    place.protocol = protocol;
    place.type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    place.family = AF_INET6;
    if (v6only) place.opts = BT_OPT_V6ONLY;
    text.resize(std::min(text.find('%'), text.size()));
    if (const std::size_t colon = text.rfind(':'); colon != std::string::npos) {
        std::string host = text.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        const auto address = Cidr::parse(host);
        if (!address) return std::nullopt;
        place.family = address->family;
        std::ranges::copy(address->address, place.local_addr);
        text.erase(0, colon + 1);
    }
    const auto port = parse_question(text);
    if (!port || port->first_port != port->last_port || !port->protocol.empty()) return std::nullopt;
    place.local_port = port->first_port;
    return place;
}

}  // namespace

std::optional<std::string> template_of(std::string_view unit) {
    const std::size_t at = unit.find('@'), dot = unit.rfind('.');
    if (at == std::string_view::npos || dot == std::string_view::npos || dot <= at + 1) return std::nullopt;
    return std::string(unit.substr(0, at + 1)) + std::string(unit.substr(dot));
}

std::optional<fs::path> UnitFiles::find(const std::string& name) const {
    std::error_code ignored;
    for (const std::string_view folder : kFolders) {
        const fs::path path = root_ / folder / name;
        if (fs::symlink_status(path, ignored).type() != fs::file_type::not_found) return path;
    }
    return std::nullopt;
}

// A link to a unit of another name makes an alias; one to /dev/null masks.
std::string UnitFiles::canonical(const std::string& name) const {
    std::string known = name;
    for (int hops = 0; hops < 8; ++hops) {
        const auto path = find(known);
        if (!path) return known;
        std::error_code error;
        const fs::path target = fs::read_symlink(*path, error);
        const std::string next = target.filename();
        if (error || next == known || target.extension() != path->extension()) return known;
        known = next;
    }
    return name;
}

std::optional<UnitFiles::Settings> UnitFiles::settings(const std::string& name) const {
    const auto general = template_of(name);
    auto path = find(name);
    if (!path && general) path = find(*general);
    if (!path) return std::nullopt;
    std::error_code error;
    if (fs::is_symlink(*path, error)) {
        const fs::path target = fs::read_symlink(*path, error);  // as seen from the root that is looked at
        if (target == "/dev/null") return std::nullopt;
        path = target.is_absolute() ? root_ / target.relative_path() : path->parent_path() / target;
    }
    const auto content = read_small_file(*path);
    if (!content || content->empty()) return std::nullopt;  // an empty one is masked
    Settings settings;
    add_settings(*content, settings);

    std::map<std::string, fs::path> drop_ins;  // by file name; the first that has one counts
    for (const std::string& owner : drop_in_owners(name)) {
        for (const std::string_view folder : kFolders) {
            fs::directory_iterator entry(root_ / folder / (owner + ".d"), error), end;
            for (; !error && entry != end; entry.increment(error)) {
                if (entry->path().extension() == ".conf") drop_ins.emplace(entry->path().filename(), entry->path());
            }
        }
    }
    for (const auto& [file, drop_in] : drop_ins) {
        if (const auto more = read_small_file(drop_in)) add_settings(*more, settings);
    }
    return settings;
}

// An instance of a template is a link in the folder of what wants it.
std::set<std::string> UnitFiles::socket_names() const {
    std::set<std::string> names;
    const auto add = [&names](const fs::path& folder) {
        std::error_code error;
        fs::directory_iterator entry(folder, error), end;
        for (; !error && entry != end; entry.increment(error)) {
            const std::string name = entry->path().filename();
            if (name.ends_with(".socket") && name.find("@.") == std::string::npos) names.insert(name);
        }
    };
    for (const std::string_view folder : kFolders) {
        add(root_ / folder);
        std::error_code error;
        fs::directory_iterator entry(root_ / folder, error), end;
        for (; !error && entry != end; entry.increment(error)) {
            const auto kind = entry->path().extension();
            if (kind == ".wants" || kind == ".requires" || kind == ".upholds") add(entry->path());
        }
    }
    return names;
}

void UnitFiles::read_sockets() {
    const std::set<std::string> names = socket_names();
    for (const std::string& name : names) {
        const auto found = canonical(name) == name ? settings(name) : std::nullopt;
        if (!found) continue;
        SocketUnit unit;
        unit.name = name;
        unit.per_connection = is_true(last_of(*found, "Socket.Accept"));
        unit.service = last_of(*found, "Socket.Service");
        if (unit.service.empty())
            unit.service = unit.per_connection ? name.substr(0, std::min(name.find('@'), name.rfind('.'))) + "@.service"
                                               : name.substr(0, name.rfind('.')) + ".service";
        const std::string families = last_of(*found, "Socket.BindIPv6Only");
        const bool v6only = families == "ipv6-only" || is_true(families);
        const std::pair<const char*, std::uint16_t> kinds[] = {{"Socket.ListenStream", IPPROTO_TCP},
                                                               {"Socket.ListenDatagram", IPPROTO_UDP}};
        for (const auto& [key, protocol] : kinds) {
            const auto [first, last] = found->equal_range(key);
            for (auto setting = first; setting != last; ++setting) {
                if (const auto place = socket_place(expanded(setting->second, name), protocol, v6only))
                    unit.places.push_back(*place);
            }
        }
        sockets_.push_back(std::move(unit));
    }
}

const SocketUnit* UnitFiles::socket(std::string_view name) const {
    const auto found = std::ranges::find(sockets_, name, &SocketUnit::name);
    return found == sockets_.end() ? nullptr : &*found;
}

std::optional<ServiceUnit> UnitFiles::service(const std::string& name) const {
    const auto found = settings(name);
    if (!found) return std::nullopt;
    ServiceUnit unit;
    unit.user = last_of(*found, "Service.User");
    if (is_true(last_of(*found, "Service.DynamicUser")) && unit.user.empty()) unit.user = "a dynamic user";
    if (unit.user == "root" || unit.user == "0") unit.user.clear();
    unit.is_ambient = has_bind_capability(*found, "Service.AmbientCapabilities", false);
    unit.is_bounded = !has_bind_capability(*found, kBoundingSet, true);
    return unit;
}

}  // namespace bindtrace
