// SPDX-License-Identifier: MIT
// JSON lines for programs: one object a line, every key always there, in one order, null for what is not known.
//
// Written by hand and not through a document library: the keys never change, this runs for every event, and a tree
// built to be printed at once costs several allocations a record. Only strings that a process chose pass through the
// escaper; the other words are our own.
#pragma once

#include "sink/json_conflict.h"
#include "sink/sink.h"
#include "sink/time_format.h"

namespace bindtrace {

class JsonSink : public Sink {
  public:
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;

  private:
    UtcTimeFormat time_;
    UtcTimeFormat start_time_;  // of processes: its own, so that they do not take turns in one cache
    HolderTimes holder_times_;
};

}  // namespace bindtrace
