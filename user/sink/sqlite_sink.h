// SPDX-License-Identifier: MIT
// An SQLite database: the schema is in sqlite_schema.cpp, and in the file. Values are bound, never part of a statement.
// It is written in one transaction, without a journal: a file that was not finished is to be thrown away.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "sink/cells.h"
#include "sink/sink.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bindtrace {

class SqliteSink final : public Sink {
  public:
    // Of an empty file that is there, at an absolute path without symlinks.
    static Result<std::unique_ptr<SqliteSink>> open(const std::string& path);
    ~SqliteSink() override = default;

    // They write nothing to `out`. After an error nothing more is done.
    void begin_of(std::uint64_t recording) override;
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;
    void held_at_start(const Checkpoint& checkpoint, std::string& out) override;

    Status status() const { return status_; }
    // To be called at the end.
    Status finish();

  private:
    struct Close {
        void operator()(sqlite3* database) const;
        void operator()(sqlite3_stmt* statement) const;
    };
    using Database = std::unique_ptr<sqlite3, Close>;
    using Statement = std::unique_ptr<sqlite3_stmt, Close>;

    explicit SqliteSink(Database database) : database_(std::move(database)) {}
    Status prepare();
    Statement insert(const std::string& table, std::size_t columns, const std::string& rest = "");
    void execute(const std::string& sql);
    void fail();
    // The first column of the row that it returns, if it does.
    std::optional<std::int64_t> run(const Statement& statement, const Cells& cells);
    Cell process(const ProcessFields& fields);
    Cell process(const std::optional<Owner>& owner);

    Database database_;  // first: statements go before it
    Statement meta_, loss_, process_, event_, holder_, held_, warning_, advice_;
    CellWriter writer_;
    Cells cells_;                                       // scratch
    std::map<std::uint64_t, std::int64_t> recordings_;  // the row in meta, in the order they begin
    std::int64_t recording_ = 0, events_ = 0;
    Status status_;
};

}  // namespace bindtrace
