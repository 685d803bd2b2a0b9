// SPDX-License-Identifier: MIT
#include "redact/redactor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "model/known_program.h"

namespace bindtrace {

using namespace std::string_view_literals;

namespace {

// "--port 80" tells nothing; "--unit NAME" and whatever is not known here does.
bool is_harmless_filter(std::string_view name) {
    constexpr std::string_view kHarmless[] = {"--port", "--proto", "--pid", "--events", "--failed", "--no-ephemeral"};
    return std::ranges::find(kHarmless, name) != std::end(kHarmless);
}

template <typename Text, typename Replace>
std::optional<std::string> replaced(const std::optional<Text>& text, Replace replace) {
    if (!text) return std::nullopt;
    return replace(*text);
}

}  // namespace

std::string Redactor::netns_token(std::string_view name) const {
    return name == "host" ? "host" : tokens_.word("netns", name);
}

// Who has ports open for containers is told by its name, and the verdict with it.
std::string Redactor::comm_token(std::string_view comm) const {
    const KnownProgram* known = known_program(comm);
    const bool is_told = known != nullptr && known->kind != ProgramKind::interpreter;
    return is_told ? std::string(known->word) : tokens_.word("comm", comm);
}

// "exe-0123456789/python": one token for one file, and what is known of its name.
std::string Redactor::exe_token(std::string_view exe) const {
    const KnownProgram* known = known_program(exe.substr(exe.rfind('/') + 1));
    const std::string token = tokens_.word("exe", exe);
    return known != nullptr ? fmt::format("{}/{}", token, known->word) : token;
}

void Redactor::redact(bt_task& task) const {
    const std::string token = comm_token({task.comm, strnlen(task.comm, sizeof(task.comm))});
    std::memset(task.comm, 0, sizeof(task.comm));
    token.copy(task.comm, sizeof(task.comm) - 1);
}

void Redactor::redact(bt_sock& sock) const {
    tokens_.replace_address(sock.family, sock.local_addr);
    tokens_.replace_address(sock.family, sock.remote_addr);
}

void Redactor::redact(bt_holder& raw) const {
    redact(raw.task);
    redact(raw.sock);
}

void Redactor::redact(Process& process) const {
    if (process.cmdline)
        process.cmdline = {tokens_.word("argv", fmt::format("{}", fmt::join(*process.cmdline, "\0"sv)))};
    process.exe = replaced(process.exe, [this](const std::string& exe) { return exe_token(exe); });
    for (Ancestor& ancestor : process.ancestry) ancestor.comm = comm_token(ancestor.comm);
}

void Redactor::redact(Owner& owner) const {
    redact(owner.task);
    if (owner.process) redact(*owner.process);
    owner.user = replaced(owner.user, [this](const std::string& user) { return tokens_.word("user", user); });
    owner.cgroup_path =
        replaced(owner.cgroup_path, [this](const std::string& path) { return tokens_.cgroup_path(path); });
}

// LXD and Incus put the project before the name.
std::string Redactor::container_token(const Container& container, std::string_view name) const {
    const std::size_t end = name.find('_');
    if (end == std::string_view::npos || (container.runtime != "lxd" && container.runtime != "incus"))
        return tokens_.word("container", name);
    return tokens_.word("project", name.substr(0, end)) + "_" + tokens_.word("container", name.substr(end + 1));
}

void Redactor::redact(ContainerFacts& facts) const {
    const auto replace = [this](std::optional<std::string>& text, std::string_view kind) {
        if (text) text = tokens_.word(kind, *text);
    };
    if (facts.container) {
        facts.container->id = container_token(*facts.container, facts.container->id);
        if (facts.container->name) facts.container->name = container_token(*facts.container, *facts.container->name);
        replace(facts.container->image, "image");
    }
    if (facts.pod) {
        replace(facts.pod->name_space, "namespace");
        replace(facts.pod->name, "pod");
        replace(facts.pod->uid, "pod");
        replace(facts.pod->container, "container");
    }
}

void Redactor::redact(Holder& holder) const {
    redact(holder.raw);
    holder.socket_cgroup_path =
        replaced(holder.socket_cgroup_path, [this](const std::string& path) { return tokens_.cgroup_path(path); });
    holder.netns_name = replaced(holder.netns_name, [this](const std::string& name) { return netns_token(name); });
    if (holder.process) redact(*holder.process);
    for (Owner& other : holder.others) redact(other);
    if (holder.last_process) redact(*holder.last_process);
    redact(holder.container);
    if (holder.published)
        holder.published->container_address = replaced(
            holder.published->container_address, [this](const std::string& text) { return tokens_.address(text); });
}

void Redactor::redact(Findings& findings) const {
    if (findings.refusal) {
        redact(findings.refusal->claimant);
        for (bt_holder& raw : findings.refusal->holders) redact(raw);
    }
    for (Holder& holder : findings.holders) redact(holder);
    if (findings.range)
        for (RangeShare& share : findings.range->shares)
            if (share.owner) redact(*share.owner);
    if (!findings.local_addresses) return;
    for (LocalAddress& local : *findings.local_addresses) {
        if (local.interface != "lo") local.interface = tokens_.word("if", local.interface);
        if (!local.vrf_name.empty()) local.vrf_name = tokens_.word("if", local.vrf_name);
        tokens_.replace_address(local.family, local.address.data());
    }
}

void Redactor::meta(const Meta& meta) {
    Meta redacted = meta;
    redacted.host = tokens_.word("host", meta.host);
    for (std::string& filter : redacted.filters) {
        const std::size_t space = filter.find(' ');
        const std::string name = filter.substr(0, space);
        if (is_harmless_filter(name)) continue;
        const std::size_t told = space == std::string::npos ? 0 : space + 1;
        filter = filter.substr(0, told) + tokens_.word("word", filter.substr(told));
    }
    next_.meta(redacted);
}

void Redactor::event(const Event& event, const Context& context, const Findings* findings) {
    Event told = event;
    redact(told.task);
    redact(told.sock);
    tokens_.replace_address(told.addr_family, told.addr);

    const auto path = [this](std::string_view text) { return tokens_.cgroup_path(text); };
    const std::optional<std::string> user =
        replaced(context.user, [this](std::string_view text) { return tokens_.word("user", text); });
    const std::optional<std::string> cgroup = replaced(context.cgroup_path, path);
    const std::optional<std::string> socket_cgroup = replaced(context.socket_cgroup_path, path);
    const std::optional<std::string> name =
        replaced(context.netns_name, [this](std::string_view text) { return netns_token(text); });
    Context about{.time_ns = context.time_ns,
                  .process = nullptr,
                  .start_time_ns = context.start_time_ns,
                  .user = user,
                  .cgroup_path = cgroup,
                  .socket_cgroup_path = socket_cgroup,
                  .netns_name = name,
                  .place = {},
                  .socket_unit = {},
                  .container = nullptr};
    about.read_paths();
    Process process;
    if (context.process != nullptr) {
        process = *context.process;
        redact(process);
        about.process = &process;
    }
    ContainerFacts container;
    if (context.container != nullptr) {
        container = *context.container;
        redact(container);
        about.container = &container;
    }
    if (findings == nullptr) return next_.event(told, about, nullptr);
    Findings found = *findings;
    redact(found);
    next_.event(told, about, &found);
}

void Redactor::redact(PortEntry& entry) const {
    constexpr std::string_view kKinds[] = {"", "container", "user", "exe"};
    for (OwnerRule& owner : entry.owners)
        owner.name = owner.kind == OwnerRule::Kind::unit
                         ? tokens_.cgroup_path(owner.name)
                         : tokens_.word(kKinds[static_cast<std::size_t>(owner.kind)], owner.name);
    if (entry.address) redact(*entry.address);
    if (entry.netns) entry.netns = netns_token(*entry.netns);
    entry.file = tokens_.word("file", entry.file);
}

void Redactor::warning(const Warning& warning) {
    Warning redacted = warning;
    redact(redacted.claim);
    if (is_of_registry(warning)) redact(redacted.entry);
    next_.warning(redacted);
}

void Redactor::checkpoint(const Checkpoint& checkpoint) {
    Checkpoint redacted = checkpoint;
    for (HeldPort& port : redacted.ports) redact(port.holder);
    next_.checkpoint(redacted);
}

}  // namespace bindtrace
