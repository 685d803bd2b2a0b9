// SPDX-License-Identifier: MIT
#include "sink/sqlite_schema.h"

#include <span>
#include <string_view>

#include "sink/cells.h"

namespace bindtrace {
namespace {

// Columns have no declared type: a cell is a number or a text by itself.
std::string columns(std::span<const std::string_view> names) {
    std::string out;
    for (const std::string_view name : names) out += std::string(", ") + std::string(name);
    return out;
}

constexpr std::string_view kMeta = R"(
-- A row for each recording. Times are RFC 3339 in UTC; ktime_ns is the boot-time clock, time_ns nanoseconds since 1970.
CREATE TABLE meta (recording INTEGER PRIMARY KEY, time TEXT, time_ns INTEGER, ktime_ns INTEGER, version TEXT,
                   host TEXT, kernel TEXT, strategy TEXT, filters TEXT);
CREATE TABLE losses (recording INTEGER, time TEXT, ktime_ns INTEGER, reason TEXT, count INTEGER);
)";

constexpr std::string_view kViews = R"(
CREATE INDEX events_by_port ON events (local_port, recording, netns, proto, type, ktime_ns);
CREATE INDEX events_by_port_asked_for ON events (port);

-- What was refused: who asked, who was in the way (the first holder), and what to do about it.
CREATE VIEW conflicts AS
SELECT events.id AS event, events.recording, events.time, events.proto, events.addr, events.port, events.result,
       events.cause, p.pid, p.comm, events.unit, events.container,
       holders.state AS holder_state, coalesce(hp.pid, lp.pid) AS holder_pid, coalesce(hp.comm, lp.comm) AS holder_comm,
       holders.unit AS holder_unit, holders.container AS holder_container, holders.remote_addr AS holder_remote_addr,
       holders.remote_port AS holder_remote_port, holders.held_ns, events.summary, events.rule,
       (SELECT text FROM advice WHERE advice.event = events.id ORDER BY ordinal LIMIT 1) AS advice
FROM events LEFT JOIN processes p ON p.id = events.process
     LEFT JOIN holders ON holders.event = events.id AND holders.ordinal = 0
     LEFT JOIN processes hp ON hp.id = holders.process LEFT JOIN processes lp ON lp.id = holders.last_process
WHERE events.cause IS NOT NULL;

-- Who held which port, from when until when. Of a moment T (nanoseconds since 1970):
--   SELECT * FROM holders_at WHERE ifnull(from_ns, 0) <= T AND T < ifnull(until_ns, T + 1);
-- from_ns is NULL where it was before the recording and is not known, until_ns where it was held to the end,
-- or was a connection from before the recording: of those it is not told when they end.
CREATE VIEW holders_at AS
SELECT r.recording, r.proto, r.netns, r.local_addr, r.local_port, r.remote_addr, r.remote_port,
       r.time_ns - r.held_ns AS from_ns, r.time_ns AS until_ns, p.pid, p.comm, r.unit, r.container
FROM events r LEFT JOIN processes p ON p.id = r.process
WHERE r.type = 'release' AND r.local_port IS NOT NULL
UNION ALL
SELECT c.recording, c.proto, c.netns, c.local_addr, c.local_port, c.remote_addr, c.remote_port,
       c.time_ns, NULL, p.pid, p.comm, c.unit, c.container
FROM events c LEFT JOIN processes p ON p.id = c.process
WHERE c.type IN ('bind', 'listen', 'autobind') AND c.result = 'ok' AND c.local_port IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM events r WHERE r.local_port = c.local_port AND r.recording = c.recording
                  AND r.netns IS c.netns AND r.proto IS c.proto AND r.type = 'release' AND r.ktime_ns >= c.ktime_ns
                  AND r.socket IS c.socket)
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.local_port = c.local_port AND e.recording = c.recording
                  AND e.netns IS c.netns AND e.proto IS c.proto AND e.type IN ('bind', 'autobind')
                  AND e.result = 'ok' AND e.id < c.id AND e.socket IS c.socket AND c.type = 'listen')
UNION ALL
SELECT h.recording, h.proto, h.netns, h.local_addr, h.local_port, h.remote_addr, h.remote_port,
       h.since_ns, NULL, p.pid, p.comm, h.unit, h.container
FROM held_at_start h LEFT JOIN processes p ON p.id = h.process
WHERE NOT EXISTS (SELECT 1 FROM events r WHERE r.local_port = h.local_port AND r.recording = h.recording
                  AND r.netns IS h.netns AND r.proto IS h.proto AND r.type = 'release' AND r.socket IS h.socket);

-- All that happened to a port: SELECT * FROM port_history WHERE port_held = 8080 OR port_asked_for = 8080;
CREATE VIEW port_history AS
SELECT events.id AS event, events.recording, events.time, events.type, events.proto, events.netns,
       events.local_port AS port_held, events.port AS port_asked_for, events.local_addr, events.addr,
       events.remote_addr, events.remote_port, events.result, p.pid, p.comm, events.unit, events.container,
       events.held_ns, events.cause, events.summary
FROM events LEFT JOIN processes p ON p.id = events.process;
)";

}  // namespace

std::string sqlite_schema() {
    std::string out(kMeta);
    out +=
        "-- Of each thread that had to do with a port.\n"
        "CREATE TABLE processes (id INTEGER PRIMARY KEY, recording INTEGER, start_ktime_ns INTEGER, exec_id INTEGER" +
        columns(kProcessColumns) +
        ",\n  UNIQUE (recording, start_ktime_ns, exec_id, pid, comm));\n"
        "-- The keys of the JSON lines; socket is its cookie, or its inode.\n"
        "CREATE TABLE events (id INTEGER PRIMARY KEY, recording INTEGER, time_ns INTEGER, process INTEGER"
        " REFERENCES processes" +
        columns(kEventColumns) +
        ");\n"
        "-- What was in the way of a refused event, the one to name first as ordinal 0.\n"
        "CREATE TABLE holders (event INTEGER REFERENCES events, ordinal INTEGER, process INTEGER REFERENCES"
        " processes, last_process INTEGER REFERENCES processes" +
        columns(kHolderColumns) +
        ", PRIMARY KEY (event, ordinal)) WITHOUT ROWID;\n"
        "-- The ports that were held when a recording began.\n"
        "CREATE TABLE held_at_start (recording INTEGER, proto TEXT, since_ns INTEGER, process INTEGER REFERENCES"
        " processes" +
        columns(kHolderColumns) +
        ");\n"
        "-- Ports of a registry that somebody else took, who is told as the holder; and ports that a service runs on "
        "without,\n-- with the process that was refused them (reason service-without-port).\n"
        "CREATE TABLE warnings (recording INTEGER, time TEXT, time_ns INTEGER, ktime_ns INTEGER, reason TEXT, proto "
        "TEXT,"
        " file TEXT, line INTEGER, entry TEXT, owner TEXT, process INTEGER REFERENCES processes" +
        columns(kHolderColumns) +
        ", summary TEXT, advice TEXT);\n"
        "CREATE TABLE advice (event INTEGER REFERENCES events, ordinal INTEGER, text TEXT,"
        " PRIMARY KEY (event, ordinal)) WITHOUT ROWID;\n";
    return out += kViews;
}

}  // namespace bindtrace
