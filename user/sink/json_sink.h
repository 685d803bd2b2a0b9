// SPDX-License-Identifier: MIT
// JSON lines for programs: one object a line, every key always there, in one order, null for what is not known.
//
// Written by hand and not through a document library: the keys never change, this runs for every event, and a tree
// built to be printed at once costs several allocations a record. Only strings that a process chose pass through the
// escaper; the other words are our own.
#pragma once

#include "sink/json_conflict.h"
#include "sink/json_line.h"
#include "sink/recording_hosts.h"
#include "sink/sink.h"
#include "sink/time_format.h"

namespace bindtrace {

class JsonSink : public Sink {
  public:
    // tells_host: each line has the host it is of, since there are several.
    explicit JsonSink(bool tells_host = false) : tells_host_(tells_host) {}

    void begin_of(std::uint64_t recording) override { hosts_.begin_of(recording); }
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;

  private:
    void write_start(JsonLine& line, std::string_view type, std::int64_t time_ns, std::uint64_t ktime_ns);
    void write_host(JsonLine& line);

    const bool tells_host_;
    RecordingHosts hosts_;
    UtcTimeFormat time_;
    UtcTimeFormat start_time_;  // of processes: its own, so that they do not take turns in one cache
    HolderTimes holder_times_;
};

}  // namespace bindtrace
