// SPDX-License-Identifier: MIT
// CSV (RFC 4180): a heading, and a row for each event, loss and warning. What is not known is an empty field.
//
// A spreadsheet takes a field that begins with = + - @ for a formula and runs it: such a field, and one that begins
// with a tab or a carriage return, gets an apostrophe before it, which spreadsheets do not show.
#pragma once

#include <string>

#include "sink/cells.h"
#include "sink/recording_hosts.h"
#include "sink/sink.h"

namespace bindtrace {

class CsvSink final : public Sink {
  public:
    void begin_of(std::uint64_t recording) override { hosts_.begin_of(recording); }
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;

  private:
    void heading(std::string& out);
    void row(std::string& out) const;

    CellWriter writer_;
    Cells cells_;  // scratch
    RecordingHosts hosts_;
    bool has_heading_ = false;
};

// One field, with quotes and an apostrophe where they are needed.
void append_csv_field(std::string& out, std::string_view text);

}  // namespace bindtrace
