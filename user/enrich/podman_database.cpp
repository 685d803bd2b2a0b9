// SPDX-License-Identifier: MIT
#include "enrich/podman_database.h"

#include <sqlite3.h>

#include <memory>
#include <string>

#include "enrich/json_parts.h"

namespace bindtrace {
namespace {

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

constexpr std::size_t kLargestFile = std::size_t{16} << 20;
constexpr std::size_t kLargestKept = std::size_t{1} << 20;
constexpr int kLargestValue = 1 << 20;
constexpr int kBroken = 64;      // configurations that do not end
constexpr int kSteps = 100'000;  // of SQLite's own machine; a look-up takes some hundred

// `code`: what SQLite said last.
std::optional<std::string> look_up(sqlite3* database, std::string_view id, int& code) {
    sqlite3_stmt* prepared = nullptr;
    code = sqlite3_prepare_v2(database, "SELECT JSON FROM ContainerConfig WHERE ID = ?1", -1, &prepared, nullptr);
    const Statement statement(prepared);
    if (!statement) return std::nullopt;
    sqlite3_bind_text(prepared, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
    code = sqlite3_step(prepared);
    if (code != SQLITE_ROW) return std::nullopt;
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

void PodmanDatabases::Close::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

void PodmanDatabases::Opened::close() {
    database.reset();
    bytes = {};
}

PodmanDatabases::Opened PodmanDatabases::open(const FileStamp& stamp) {
    Opened found{.stamp = stamp, .bytes = std::vector<char>(static_cast<std::size_t>(stamp.size)), .database = nullptr};
    sqlite3* opened = nullptr;
    const int result = sqlite3_open_v2(":memory:", &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    found.database.reset(opened);
    const auto size = static_cast<sqlite3_int64>(stamp.size);
    if (result != SQLITE_OK || sqlite3_deserialize(opened, "main", reinterpret_cast<unsigned char*>(found.bytes.data()),
                                                   size, size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK) {
        found.database.reset();
        return found;
    }
    for (const int harmful :
         {SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_TRUSTED_SCHEMA})
        sqlite3_db_config(opened, harmful, 0, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, kLargestValue);
    sqlite3_progress_handler(
        opened, kSteps, [](void*) { return 1; }, nullptr);
    return found;
}

std::optional<std::string> PodmanDatabases::in_sqlite(const StateFiles& files, const std::string& path,
                                                      std::string_view id) {
    Opened* known = opened_.find(path);
    const auto file = files.open(path, kLargestFile);
    const auto is_same = [](const FileStamp& one, const FileStamp& other) {
        return one.device == other.device && one.inode == other.inode && one.size == other.size;
    };
    if (known != nullptr && (!file || !is_same(known->stamp, file->stamp))) known->close();
    if (!file) return std::nullopt;
    if (known == nullptr || !known->database) known = &opened_.insert(path, open(file->stamp));
    int code = SQLITE_ERROR;
    std::optional<std::string> config;
    if (known->database && StateFiles::read(*file, known->bytes) == known->bytes.size())
        config = look_up(known->database.get(), id, code);
    if ((code != SQLITE_ROW && code != SQLITE_DONE) || known->bytes.size() > kLargestKept)
        known->close();
    else
        sqlite3_db_release_memory(known->database.get());  // pages, which are other ones when it is read again
    return config;
}

std::optional<std::string> PodmanDatabases::config(const StateFiles& files, const std::string& storage,
                                                   std::string_view id) {
    auto config = in_sqlite(files, storage + "/db.sql", id);
    if (!config) config = in_bolt(files.text(storage + "/libpod/bolt_state.db", kLargestFile).value_or(""), id);
    return config;
}

}  // namespace bindtrace
