// SPDX-License-Identifier: MIT
// A record as a row of a table, for the formats that are tables (CSV, SQLite): the columns are the keys of JSON, with
// what JSON nests told by a prefix. They stay as they are; new ones go to the end.
//
// What is not known is empty. Bytes that a process chose are escaped as in text output, so that no cell has control
// characters or is ill-formed UTF-8, whoever prints it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/conflict.h"
#include "sink/json_fields.h"
#include "sink/time_format.h"

namespace bindtrace {

using Cell = std::variant<std::monostate, std::int64_t, std::string>;
using Cells = std::vector<Cell>;

inline constexpr std::string_view kEventColumns[] = {
    "time",      "ktime_ns",    "type",       "op",           "proto",       "family",        "addr",
    "port",      "local_addr",  "local_port", "remote_addr",  "remote_port", "result",        "errno",
    "ephemeral", "netns",       "netns_name", "socket",       "cgroup",      "unit",          "slice",
    "session",   "socket_unit", "container",  "container_id", "image",       "pod_namespace", "pod",
    "held_ns",   "cause",       "factors",    "in_the_way",   "failures",    "rule",          "summary"};

inline constexpr std::string_view kProcessColumns[] = {"pid",     "ppid", "comm", "exe",
                                                       "cmdline", "uid",  "user", "start_time"};

inline constexpr std::string_view kHolderColumns[] = {
    "state", "local_addr", "local_port", "remote_addr", "remote_port", "acquired",  "since", "held_ns",
    "netns", "socket",     "kernel",     "unit",        "socket_unit", "container", "pod",   "published_port"};

// Each appends as many cells as there are columns.
class CellWriter {
  public:
    void event(const Record& record, Cells& cells);
    void process(const ProcessFields& fields, Cells& cells);
    void holder(const Holder& holder, std::uint64_t now_ns, Cells& cells);

    Cell time(std::int64_t time_ns);

  private:
    UtcTimeFormat time_;
};

ProcessFields fields_of(const Owner& owner);

// Identifies the socket while it lives; empty where the kernel has given it no number.
Cell socket_cell(const bt_sock& sock);

// Somebody else's bytes.
std::string escaped(std::string_view bytes);

}  // namespace bindtrace
