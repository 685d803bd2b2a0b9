// SPDX-License-Identifier: MIT
// Lines for a person: one an event, fields always in the same order and, where they can be, in the same column.
//
//     20:53:08.123  bind     tcp  0.0.0.0:8080            EADDRINUSE     myapp[18422] /system.slice/myapp.service
//     20:53:09.001  autobind tcp  10.0.0.1:41000 -> 10.0.0.5:8848   ok             java[1312] /system.slice/a.service
//
// Endpoints differ too much in width for one column: one wide enough for two IPv6 ends would push the outcome of a
// plain bind off an 80-column console. So the outcome stands at one of three stops, the first that its endpoint leaves
// free, and a longer field takes from the padding of the next one. Nothing is cut, except long hexadecimal ids in a
// cgroup path, which JSON has in full.
#pragma once

#include "sink/recording_hosts.h"
#include "sink/sink.h"
#include "sink/time_format.h"

namespace bindtrace {

class TextSink : public Sink {
  public:
    struct Options {
        bool colour = false;
        Zone zone = Zone::local;
        bool tells_host = false;  // at the beginning of each line, since there are several
    };

    explicit TextSink(Options options) : options_(options), time_(options.zone) {}

    void begin_of(std::uint64_t recording) override { hosts_.begin_of(recording); }
    void meta(const Meta& meta, std::string& out) override;
    void record(const Record& record, std::string& out) override;
    void loss(const Loss& loss, std::string& out) override;
    void warning(const Warning& warning, const WarningWords& words, std::string& out) override;

  private:
    void append_host(std::string& out);
    void explain(std::string_view label, std::string_view text, std::string& out) const;
    void append_advice(const std::vector<std::string>& advice, std::size_t room, std::string& out) const;
    void append_conflict(const Conflict& conflict, std::string& out) const;

    const Options options_;
    ClockTimeFormat time_;
    RecordingHosts hosts_;
    std::size_t host_width_ = 0;  // of the longest name yet, with the blanks after it
    std::string claim_;           // scratch, kept so that a record does not allocate
    std::string outcome_;         // scratch
};

}  // namespace bindtrace
