// SPDX-License-Identifier: MIT
#include "cli/who.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "cli/list_enricher.h"
#include "cli/report.h"
#include "core/clock.h"
#include "core/exit_codes.h"
#include "enrich/enricher.h"
#include "enrich/nat_ports.h"
#include "filter/filter.h"
#include "kernel/attach.h"
#include "kernel/port_list.h"
#include "model/names.h"
#include "sink/escape.h"
#include "sink/held_ports.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

// An MPTCP socket has a TCP port.
bool is_asked(const Question& question, const bt_sock& sock) {
    const std::string_view protocol = protocol_name(sock.protocol, sock.type);
    return sock.local_port >= question.first_port && sock.local_port <= question.last_port &&
           (question.protocol.empty() || question.protocol == protocol ||
            (question.protocol == "tcp" && protocol == "mptcp"));
}

bt_config config_for(const std::vector<Question>& questions) {
    Filter filter;
    for (const Question& question : questions) filter.ports.emplace_back(question.first_port, question.last_port);
    return filter.kernel_config();
}

std::vector<HeldPort> named(const PortList& found, const std::vector<Question>& questions, const KernelFacts& facts) {
    Enricher enricher = enricher_of_list(facts, found);
    std::vector<HeldPort> ports;
    for (const PortHolder& holder : found.holders) {
        const bt_sock& sock = holder.socket.sock;
        const auto asked = [&](const Question& question) { return is_asked(question, sock); };
        if (!questions.empty() && std::ranges::none_of(questions, asked)) continue;
        ports.push_back(
            {.holder = enricher.holder(holder.socket, holder.socket.task), .processes = holder.users.size()});
    }
    sort_held_ports(ports);
    return ports;
}

// Of a port that no socket has.
void tell_nat(const Question& question, const std::vector<NatPort>& all) {
    for (const auto& [mapping, facts] : all) {
        if (mapping.host_port < question.first_port || mapping.host_port > question.last_port ||
            (!question.protocol.empty() && question.protocol != mapping.protocol))
            continue;
        std::string words;
        append_text(words, container_words(facts));
        spdlog::info(
            "{}/{} is the hostPort of {} (its port {}), as its network was told: what comes from outside goes there, "
            "not to who binds it",
            mapping.host_port, mapping.protocol, words.empty() ? "a container" : words, mapping.container_port);
    }
}

// True where each port that was asked for is held.
bool tell_free_ports(const std::vector<Question>& questions, const std::vector<HeldPort>& ports) {
    bool all_held = true;
    std::optional<std::vector<NatPort>> nat;
    for (const Question& question : questions) {
        const auto answers = [&](const HeldPort& port) { return is_asked(question, port.holder.raw.sock); };
        if (std::ranges::any_of(ports, answers)) continue;
        spdlog::info("nobody holds {}", question.text);
        if (!nat) nat = nat_ports(StateFiles("", [](const std::string&) {}));
        tell_nat(question, *nat);
        all_held = false;
    }
    return all_held;
}

}  // namespace

int run_who(const Options& options) {
    std::vector<Question> questions;
    for (const std::string& word : options.asked_ports) {
        const auto question = parse_question(word);
        if (!question) return report(question.error(), kExitUsage);
        questions.push_back(*question);
    }
    const KernelFacts facts = KernelFacts::probe();
    if (const auto error = cannot_trace(facts)) return report(*error, kExitRuntime);
    const auto found = list_ports(facts, config_for(questions));
    if (!found) return report(found.error(), kExitRuntime);

    const std::vector<HeldPort> ports = named(*found, questions, facts);
    Output output(STDOUT_FILENO, -1);
    if (options.json)
        append_held_ports_json(output.buffer(), ports, static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)));
    else if (!ports.empty())
        append_held_ports_text(output.buffer(), ports, wants_colour());
    if (Status written = output.finish(); !written) return report(written.error(), kExitRuntime);
    if (!found->complete) spdlog::warn("there are more than these: too many to list them all");
    return tell_free_ports(questions, ports) ? kExitFine : kExitBad;
}

}  // namespace bindtrace
