// SPDX-License-Identifier: MIT
#include "sink/csv_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "model/names.h"
#include "model/warning.h"

namespace bindtrace {
namespace {

// The holder named first, and what the verdict says to do; then what only a loss has.
constexpr std::string_view kOwnColumns[] = {"advice",         "loss_reason",    "loss_count",    "host",
                                            "warning_reason", "registry_entry", "registry_owner"};

constexpr std::size_t kFirstOwn = std::size(kEventColumns) + 2 * std::size(kProcessColumns) + std::size(kHolderColumns);
constexpr std::size_t kAllColumns = kFirstOwn + std::size(kOwnColumns);
enum Own : std::size_t { kAdvice = kFirstOwn, kLossReason, kLossCount, kHost, kWarning, kEntry, kOwner };

std::string all_of(const std::vector<std::string>& all) {
    std::string out;
    for (const std::string& advice : all) {
        if (!out.empty()) out += "; or: ";
        out += escaped(advice);
    }
    return out;
}

// Of an event's columns.
std::size_t column(std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(kEventColumns, name) - std::begin(kEventColumns));
}

}  // namespace

void append_csv_field(std::string& out, std::string_view text) {
    if (text.empty()) return;
    const bool is_formula = std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos;
    if (!is_formula && text.find_first_of(",\"\r\n") == std::string_view::npos) {
        out += text;
        return;
    }
    out += '"';
    if (is_formula) out += '\'';
    for (const char character : text) {
        if (character == '"') out += '"';
        out += character;
    }
    out += '"';
}

void CsvSink::heading(std::string& out) {
    if (has_heading_) return;
    has_heading_ = true;
    std::string line;
    const auto add = [&line](std::string_view prefix, const auto& columns) {
        for (const std::string_view column : columns) line += fmt::format(",{}{}", prefix, column);
    };
    add("", kEventColumns);
    add("", kProcessColumns);
    add("holder_", kHolderColumns);
    add("holder_", kProcessColumns);
    add("", kOwnColumns);
    out += line.substr(1) + "\r\n";
}

void CsvSink::row(std::string& out) const {
    for (std::size_t i = 0; i < cells_.size(); ++i) {
        if (i != 0) out += ',';
        if (const auto* const number = std::get_if<std::int64_t>(&cells_[i])) out += std::to_string(*number);
        if (const auto* const text = std::get_if<std::string>(&cells_[i])) append_csv_field(out, *text);
    }
    out += "\r\n";
}

void CsvSink::meta(const Meta& meta, std::string& out) {
    heading(out);
    hosts_.name(meta.host);
}

// Who has the port is its holder; who was refused it is the process.
void CsvSink::warning(const Warning& warning, const WarningWords& words, std::string& out) {
    heading(out);
    const bt_sock& sock = warning.claim.raw.sock;
    const Owner* const owner = owner_of(warning.claim);
    cells_.assign(std::size(kEventColumns), {});
    cells_[0] = writer_.time(warning.time_ns);
    cells_[1] = static_cast<std::int64_t>(warning.ktime_ns);
    cells_[2] = "warning";
    cells_[column("proto")] = std::string(protocol_name(sock.protocol, sock.type));
    cells_[column("family")] = std::string(family_word(sock.family));
    cells_[column("local_port")] = std::int64_t{sock.local_port};
    cells_[column("summary")] = escaped(words.summary);
    if (is_of_registry(warning)) {
        cells_.resize(cells_.size() + std::size(kProcessColumns));
        writer_.holder(warning.claim, warning.ktime_ns, cells_);
    } else {
        cells_[column("result")] = std::string(errno_name(warning.refused_error));
        if (const auto unit = unit_of(warning.claim)) cells_[column("unit")] = escaped(*unit);
    }
    if (owner != nullptr) writer_.process(fields_of(*owner), cells_);
    cells_.resize(kAllColumns);
    cells_[kAdvice] = all_of(words.advice);
    cells_[kHost] = escaped(hosts_.current());
    cells_[kWarning] = std::string(warning_reason_name(warning.reason));
    if (is_of_registry(warning)) {
        cells_[kEntry] = escaped(fmt::format("{}:{}", warning.entry.file, warning.entry.line));
        cells_[kOwner] = escaped(owners_text(warning.entry.owners));
    }
    row(out);
}

void CsvSink::record(const Record& record, std::string& out) {
    heading(out);
    cells_.clear();
    writer_.event(record, cells_);
    if ((record.event.flags & BT_EVENT_HAS_TASK) != 0)
        writer_.process({.task = record.event.task,
                         .process = record.context.process,
                         .user = record.context.user,
                         .start_time_ns = record.context.start_time_ns},
                        cells_);
    cells_.resize(std::size(kEventColumns) + std::size(kProcessColumns));
    if (record.conflict != nullptr && !record.conflict->holders.empty()) {
        const Holder& holder = record.conflict->holders.front();
        writer_.holder(holder, record.event.ktime_ns, cells_);
        if (const Owner* const owner = owner_of(holder)) writer_.process(fields_of(*owner), cells_);
    }
    cells_.resize(kAllColumns);
    if (record.conflict != nullptr) cells_[kAdvice] = all_of(record.conflict->advice);
    cells_[kHost] = escaped(hosts_.current());
    row(out);
}

void CsvSink::loss(const Loss& loss, std::string& out) {
    heading(out);
    cells_.assign(kAllColumns, {});
    cells_[0] = writer_.time(loss.time_ns);
    cells_[1] = static_cast<std::int64_t>(loss.ktime_ns);
    cells_[2] = "loss";
    cells_[kLossReason] = std::string(loss_reason_name(loss.reason));
    cells_[kLossCount] = static_cast<std::int64_t>(loss.count);
    cells_[kHost] = escaped(hosts_.current());
    row(out);
}

}  // namespace bindtrace
