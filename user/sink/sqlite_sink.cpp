// SPDX-License-Identifier: MIT
#include "sink/sqlite_sink.h"

#include <sqlite3.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "model/names.h"
#include "model/receiver.h"
#include "model/warning.h"
#include "sink/sqlite_schema.h"

namespace bindtrace {
namespace {

Error error_of(sqlite3* database) {
    if (sqlite3_errcode(database) == SQLITE_FULL) return {"cannot write the database", ENOSPC, "the disk is full"};
    return {std::string("cannot write the database: ") + sqlite3_errmsg(database), sqlite3_system_errno(database)};
}

}  // namespace

void SqliteSink::Close::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

void SqliteSink::Close::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Result<std::unique_ptr<SqliteSink>> SqliteSink::open(const std::string& path) {
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
    Database database(opened);
    if (result != SQLITE_OK)
        return Error{"cannot open " + path + " as a database" +
                     (opened != nullptr ? std::string(": ") + sqlite3_errmsg(opened) : "")};
    std::unique_ptr<SqliteSink> sink(new SqliteSink(std::move(database)));
    if (Status prepared = sink->prepare(); !prepared) return prepared.error();
    return sink;
}

Status SqliteSink::prepare() {
    execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN;" +
            sqlite_schema());
    constexpr std::size_t kProcess = std::size(kProcessColumns), kHolder = std::size(kHolderColumns);
    meta_ = insert("meta", 9);
    loss_ = insert("losses", 5);
    process_ = insert("processes", 4 + kProcess,
                      "ON CONFLICT DO UPDATE SET exe = coalesce(exe, excluded.exe), cmdline = coalesce(cmdline, "
                      "excluded.cmdline), user = coalesce(user, excluded.user) RETURNING id");
    event_ = insert("events", 4 + std::size(kEventColumns));
    holder_ = insert("holders", 4 + kHolder);
    held_ = insert("held_at_start", 4 + kHolder);
    warning_ = insert("warnings", 13 + kHolder);
    advice_ = insert("advice", 3);
    return status_;
}

SqliteSink::Statement SqliteSink::insert(const std::string& table, std::size_t columns, const std::string& rest) {
    std::string sql = "INSERT INTO " + table + " VALUES (?";
    for (std::size_t i = 1; i < columns; ++i) sql += ",?";
    sql += ") " + rest;
    sqlite3_stmt* statement = nullptr;
    if (status_ && sqlite3_prepare_v3(database_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                                      nullptr) != SQLITE_OK)
        fail();
    return Statement(statement);
}

void SqliteSink::execute(const std::string& sql) {
    if (status_ && sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

void SqliteSink::fail() {
    status_ = error_of(database_.get());
}

std::optional<std::int64_t> SqliteSink::run(const Statement& statement, const Cells& cells) {
    if (!status_) return std::nullopt;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const int at = static_cast<int>(i) + 1;
        if (const auto* const number = std::get_if<std::int64_t>(&cells[i])) {
            sqlite3_bind_int64(statement.get(), at, *number);
        } else if (const auto* const text = std::get_if<std::string>(&cells[i])) {
            sqlite3_bind_text64(statement.get(), at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
        } else {
            sqlite3_bind_null(statement.get(), at);
        }
    }
    std::optional<std::int64_t> returned;
    int result = sqlite3_step(statement.get());
    if (result == SQLITE_ROW) {
        returned = sqlite3_column_int64(statement.get(), 0);
        result = sqlite3_step(statement.get());
    }
    if (result != SQLITE_DONE) fail();
    sqlite3_reset(statement.get());
    return returned;
}

Cell SqliteSink::process(const ProcessFields& fields) {
    Cells cells = {Cell(), recording_, static_cast<std::int64_t>(fields.task.key.start_ns),
                   static_cast<std::int64_t>(fields.task.key.exec_id)};
    writer_.process(fields, cells);
    const auto id = run(process_, cells);
    return id ? Cell(*id) : Cell();
}

Cell SqliteSink::process(const std::optional<Owner>& owner) {
    return owner ? process(fields_of(*owner)) : Cell();
}

void SqliteSink::begin_of(std::uint64_t recording) {
    recording_ = recordings_.try_emplace(recording, static_cast<std::int64_t>(recordings_.size()) + 1).first->second;
}

void SqliteSink::meta(const Meta& meta, std::string&) {
    std::string filters;
    for (const std::string& filter : meta.filters) filters += (filters.empty() ? "" : " ") + filter;
    run(meta_,
        {recording_, writer_.time(meta.time_ns), meta.time_ns, static_cast<std::int64_t>(meta.ktime_ns),
         escaped(meta.version), escaped(meta.host), escaped(meta.kernel), escaped(meta.strategy), escaped(filters)});
}

void SqliteSink::record(const Record& record, std::string&) {
    const Event& event = record.event;
    Cell who;
    if ((event.flags & BT_EVENT_HAS_TASK) != 0)
        who = process({.task = event.task,
                       .process = record.context.process,
                       .user = record.context.user,
                       .start_time_ns = record.context.start_time_ns});
    cells_ = {++events_, recording_, record.context.time_ns, who};
    writer_.event(record, cells_);
    run(event_, cells_);
    if (record.conflict == nullptr) return;
    std::int64_t ordinal = 0;
    for (const Holder& holder : record.conflict->holders) {
        cells_ = {events_, ordinal++, process(holder.process), process(holder.last_process)};
        writer_.holder(holder, event.ktime_ns, cells_);
        run(holder_, cells_);
    }
    ordinal = 0;
    for (const std::string& advice : record.conflict->advice) run(advice_, {events_, ordinal++, escaped(advice)});
}

void SqliteSink::loss(const Loss& loss, std::string&) {
    run(loss_, {recording_, writer_.time(loss.time_ns), static_cast<std::int64_t>(loss.ktime_ns),
                std::string(loss_reason_name(loss.reason)), static_cast<std::int64_t>(loss.count)});
}

void SqliteSink::warning(const Warning& warning, const WarningWords& words, std::string&) {
    const bt_sock& sock = warning.claim.raw.sock;
    const PortEntry& entry = warning.entry;
    const Owner* const owner = owner_of(warning.claim);
    const bool of_registry = is_of_registry(warning);
    cells_ = {recording_,
              writer_.time(warning.time_ns),
              warning.time_ns,
              static_cast<std::int64_t>(warning.ktime_ns),
              std::string(warning_reason_name(warning.reason)),
              std::string(protocol_name(sock.protocol, sock.type)),
              of_registry ? escaped(entry.file) : Cell(),
              of_registry ? std::int64_t{entry.line} : Cell(),
              of_registry ? escaped(place_text(entry)) : Cell(),
              of_registry ? escaped(owners_text(entry.owners)) : Cell(),
              owner != nullptr ? process(fields_of(*owner)) : Cell()};
    writer_.holder(warning.claim, warning.ktime_ns, cells_);
    cells_.emplace_back(escaped(words.summary));
    cells_.push_back(words.advice.empty() ? Cell() : escaped(words.advice.front()));
    run(warning_, cells_);
}

void SqliteSink::held_at_start(const Checkpoint& checkpoint, std::string&) {
    for (const HeldPort& port : checkpoint.ports) {
        const Holder& holder = port.holder;
        const bt_sock& sock = holder.raw.sock;
        const Owner* const owner = owner_of(holder);
        cells_ = {recording_, std::string(protocol_name(sock.protocol, sock.type)),
                  holder.since_ns ? Cell(*holder.since_ns) : Cell(),
                  owner != nullptr ? process(fields_of(*owner)) : Cell()};
        writer_.holder(holder, checkpoint.ktime_ns, cells_);
        run(held_, cells_);
    }
}

Status SqliteSink::finish() {
    execute("COMMIT");
    return status_;
}

}  // namespace bindtrace
