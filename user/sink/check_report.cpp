// SPDX-License-Identifier: MIT
#include "sink/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "model/names.h"
#include "sink/cells.h"
#include "sink/json_conflict.h"
#include "sink/json_fields.h"
#include "sink/json_port_entry.h"
#include "sink/table.h"

namespace bindtrace {
namespace {

constexpr std::size_t kColumns = 5;
using Row = std::array<std::string, kColumns>;

std::string claim_words(const Claim& claim) {
    std::string text = holder_words(*claim.socket) + " (";
    const bt_sock& sock = claim.socket->holder.raw.sock;
    append_endpoint(text, sock.family, sock.local_addr, sock.local_port);
    return text + ")";
}

// Those in the way where there are such, or else whoever is there; and why nothing can be said.
std::string holders_of(const CheckedEntry& checked) {
    std::string text;
    std::vector<std::string> told;
    for (const Claim& claim : checked.claims) {
        const bool in_the_way = claim.match.match == Match::no;
        if (in_the_way != (checked.status == PortStatus::taken)) continue;
        told.push_back(claim_words(claim));
    }
    told.erase(std::unique(told.begin(), told.end()), told.end());
    constexpr std::size_t kTold = 2;
    for (std::size_t i = 0; i < std::min(told.size(), kTold); ++i) text += (i > 0 ? "; " : "") + told[i];
    if (told.size() > kTold) text += fmt::format("; {} more", told.size() - kTold);
    if (!checked.reason.empty()) text += (text.empty() ? "" : ": ") + checked.reason;
    return text.empty() ? "nobody" : text;
}

void append_rows(std::string& out, const std::vector<Row>& rows, bool colour) {
    append_table(out, rows, [&](std::size_t r) {
        const bool bad = r > 0 && rows[r][0] != "ok";
        return !colour ? "" : r == 0 ? "\x1b[2m" : bad ? "\x1b[31m" : "";
    });
}

// Risks that one change prevents are told together.
void append_risks(std::string& out, std::span<const CheckedEntry> entries) {
    std::vector<std::string> told;
    for (const CheckedEntry& checked : entries) {
        for (const Risk& risk : checked.risks) {
            if (std::ranges::count(told, risk.fix) > 0) continue;
            told.push_back(risk.fix);
            out += '\n';
            for (const CheckedEntry& other : entries) {
                for (const Risk& same : other.risks) {
                    if (same.fix == risk.fix)
                        out += fmt::format("{}: {}: {}\n", escaped(place_text(*other.entry)), risk_word(same.kind),
                                           escaped(same.summary));
                }
            }
            out += "  fix: " + escaped(risk.fix) + "\n";
            if (risk.kind == RiskKind::range_overlap)
                out += "       (the same setting in a file in /etc/sysctl.d persists it)\n";
        }
    }
}

void write_entry(JsonLine& line, const CheckedEntry& checked) {
    const PortEntry& entry = *checked.entry;
    line.raw("{\"v\":");
    line.number(kJsonVersion);
    line.raw(",\"type\":\"check\",");
    write_port_entry(line, entry);
    line.raw(",\"netns\":{\"inum\":");
    line.number_or_null(checked.netns.has_value(), checked.netns.value_or(0));
    line.raw(",\"name\":");
    line.string_or_null(entry.netns);
    line.raw("},\"status\":");
    line.word_or_null(status_word(checked.status));
    line.raw(",\"reason\":");
    checked.reason.empty() ? line.null() : line.string(checked.reason);
}

}  // namespace

void append_check_json(std::string& out, std::span<const CheckedEntry> entries, std::uint64_t now_ns) {
    HolderTimes times;
    for (const CheckedEntry& checked : entries) {
        JsonLine line(out);
        write_entry(line, checked);
        line.raw(",\"holders\":[");
        for (const Claim& claim : checked.claims) {
            if (&claim != &checked.claims.front()) line.raw(",");
            line.raw("{\"is_owner\":");
            if (claim.match.match == Match::unknown)
                line.null();
            else
                line.boolean(claim.match.match == Match::yes);
            line.raw(",\"processes\":");
            line.number(claim.socket->users.size());
            line.raw(",");
            write_holder_fields(line, claim.socket->holder, now_ns, times);
            line.raw("}");
        }
        line.raw("],\"risks\":[");
        for (const Risk& risk : checked.risks) {
            if (&risk != &checked.risks.front()) line.raw(",");
            line.raw("{\"risk\":");
            line.word_or_null(risk_word(risk.kind));
            line.raw(",\"summary\":");
            line.string(risk.summary);
            line.raw(",\"fix\":");
            line.string(risk.fix);
            line.raw("}");
        }
        line.raw("]}\n");
    }
}

void append_check_text(std::string& out, std::span<const CheckedEntry> entries, bool colour) {
    std::vector<Row> rows{{"STATUS", "PORT", "OWNER", "HELD BY", "ENTRY"}};
    std::array<std::size_t, 4> count{};
    std::size_t risks = 0;
    for (const CheckedEntry& checked : entries) {
        const PortEntry& entry = *checked.entry;
        rows.push_back({std::string(status_word(checked.status)), escaped(place_text(entry)),
                        escaped(owners_text(entry.owners)), escaped(holders_of(checked)),
                        escaped(fmt::format("{}:{}", entry.file, entry.line))});
        ++count[static_cast<std::size_t>(checked.status)];
        risks += checked.risks.size();
    }
    append_rows(out, rows, colour);
    append_risks(out, entries);
    out += fmt::format("\n{} entr{}:", entries.size(), entries.size() == 1 ? "y" : "ies");
    const char* separator = " ";
    for (const PortStatus status : {PortStatus::ok, PortStatus::taken, PortStatus::free, PortStatus::unknown}) {
        if (count[static_cast<std::size_t>(status)] == 0) continue;
        out += fmt::format("{}{} {}", separator, count[static_cast<std::size_t>(status)], status_word(status));
        separator = ", ";
    }
    out += fmt::format("; {} risk{}\n", risks, risks == 1 ? "" : "s");
}

}  // namespace bindtrace
