// SPDX-License-Identifier: MIT
#include "enrich/podman_database.h"

#include <sqlite3.h>

#include <memory>
#include <string>

#include "enrich/json_parts.h"

namespace bindtrace {
namespace {

struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

constexpr std::size_t kLargestFile = std::size_t{16} << 20;
constexpr int kLargestValue = 1 << 20;
constexpr int kBroken = 64;      // configurations that do not end
constexpr int kSteps = 100'000;  // of SQLite's own machine; a look-up takes some hundred

// `bytes` must outlive it.
Database open_in_memory(std::string& bytes) {
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(":memory:", &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(opened);
    if (result != SQLITE_OK) return nullptr;
    for (const int harmful :
         {SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_TRUSTED_SCHEMA})
        sqlite3_db_config(opened, harmful, 0, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, kLargestValue);
    sqlite3_progress_handler(
        opened, kSteps, [](void*) { return 1; }, nullptr);
    const auto size = static_cast<sqlite3_int64>(bytes.size());
    if (sqlite3_deserialize(opened, "main", reinterpret_cast<unsigned char*>(bytes.data()), size, size,
                            SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
        return nullptr;
    return database;
}

std::optional<std::string> in_sqlite(std::string bytes, std::string_view id) {
    if (bytes.empty()) return std::nullopt;
    const Database database = open_in_memory(bytes);
    if (!database) return std::nullopt;
    sqlite3_stmt* prepared = nullptr;
    sqlite3_prepare_v2(database.get(), "SELECT JSON FROM ContainerConfig WHERE ID = ?1", -1, &prepared, nullptr);
    const Statement statement(prepared);
    if (!statement) return std::nullopt;
    sqlite3_bind_text(prepared, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
    if (sqlite3_step(prepared) != SQLITE_ROW) return std::nullopt;
    const auto* text = static_cast<const char*>(sqlite3_column_blob(prepared, 0));  // it is one, with text in it
    if (text == nullptr) return std::nullopt;
    return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(prepared, 0)));
}

std::optional<std::string> in_bolt(std::string_view bytes, std::string_view id) {
    constexpr std::string_view kKey = "config", kMark = R"(config{"spec":)";
    const std::string wanted = '"' + std::string(id) + '"';
    int broken = 0;
    for (std::size_t at = bytes.find(kMark); at != std::string_view::npos; at = bytes.find(kMark, at)) {
        at += kKey.size();
        const auto config = json_value(bytes.substr(at, kLargestValue));
        if (!config && ++broken > kBroken) return std::nullopt;
        if (!config) continue;
        if (json_member(*config, "id") == wanted) return std::string(*config);
        at += config->size();
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> podman_config(const StateFiles& files, const std::string& storage, std::string_view id) {
    auto config = in_sqlite(files.text(storage + "/db.sql", kLargestFile).value_or(""), id);
    if (!config) config = in_bolt(files.text(storage + "/libpod/bolt_state.db", kLargestFile).value_or(""), id);
    return config;
}

}  // namespace bindtrace
