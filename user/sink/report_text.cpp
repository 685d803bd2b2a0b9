// SPDX-License-Identifier: MIT
#include "sink/report_text.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "report/top.h"
#include "sink/cells.h"
#include "sink/held_ports.h"
#include "sink/time_format.h"

namespace bindtrace {
namespace {

constexpr std::size_t kConflictsShown = 5;
constexpr std::size_t kOthersShown = 4;
constexpr std::size_t kDateLength = 10;

std::string duration(std::int64_t ns) {
    std::string text;
    append_duration(text, static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)));
    return text;
}

std::string counted(std::uint64_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

class TextWriter {
  public:
    TextWriter(std::string& out, const Summary& summary, bool colour) : out_(out), summary_(summary), colour_(colour) {
        for (const RecordingSummary& recording : summary.recordings) {
            first_day_ = std::min(first_day_, recording.first_ns / kNsPerDay);
            last_day_ = std::max(last_day_, recording.last_ns / kNsPerDay);
        }
    }

    void write() {
        for (const RecordingSummary& recording : summary_.recordings) write(recording);
        write_totals();
        write_damage();
        section("CONFLICTS", summary_.conflicts, kConflictsShown, "failure");
        section("WARNINGS: ports of the registry that others took, services without their port", summary_.warnings,
                kOthersShown, "warning");
        section("RACES with clients for a source port", summary_.races, kOthersShown, "race");
        section("PORTS THAT CHANGED HANDS", summary_.hand_overs, kOthersShown, "change");
        write_loops();
        if (summary_.ports_not_followed != 0)
            line("{} of further ports could not be followed", counted(summary_.ports_not_followed, "claim"));
        if (summary_.conflicts.kept.empty()) line("nothing was refused");
    }

  private:
    template <typename... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
        out_.push_back('\n');
    }

    void heading(std::string_view text) { colour_ ? line("\x1b[1m{}\x1b[0m", text) : line("{}", text); }

    // With the day only where there are several.
    std::string time(std::int64_t time_ns) const {
        std::array<char, ClockTimeFormat::kLength> clock;
        ClockTimeFormat(Zone::utc).write(clock.data(), time_ns);
        std::string text(clock.data(), clock.size());
        if (first_day_ == last_day_) return text;
        return utc_text(time_ns).substr(0, kDateLength) + " " + text;
    }

    template <typename Value>
    std::string span(const Value& value) const {
        return value.count == 1 ? "at " + time(value.last_ns)
                                : fmt::format("{} to {}", time(value.first_ns), time(value.last_ns));
    }

    std::string host_of(std::size_t recording) const {
        const std::string& host = summary_.recordings[recording].meta.host;
        return host.empty() ? "an unknown host" : escaped(host);
    }

    std::string place_text(const PortPlace& place) const {
        const std::string_view protocol = protocol_name(place.protocol, place.type);
        std::string text(protocol.empty() ? "-" : protocol);
        text.push_back(' ');
        if (place.family == AF_INET || place.family == AF_INET6)
            append_endpoint(text, place.family, place.address.data(), place.port);
        else
            text += fmt::format("port {}", place.port);
        if (place.netns != 0 && place.netns_name != "host")
            text += " netns " + (place.netns_name ? escaped(*place.netns_name) : std::to_string(place.netns));
        if (summary_.recordings.size() > 1 && place.recording < summary_.recordings.size())
            text += " on " + host_of(place.recording);
        return text;
    }

    void write(const RecordingSummary& recording) {
        const Meta& meta = recording.meta;
        if (meta.time_ns == 0) {
            line("a recording whose beginning is missing, until {}", utc_text(recording.last_ns));
            return;
        }
        std::string filters;
        for (const std::string& filter : meta.filters) filters += " " + escaped(filter);
        heading(fmt::format("{}, kernel {}: {} to {} ({})", escaped(meta.host), escaped(meta.kernel),
                            utc_text(recording.first_ns), utc_text(recording.last_ns),
                            duration(recording.last_ns - recording.first_ns)));
        if (!recording.has_beginning)
            line("it was recorded since {}: what came first is not in there", utc_text(meta.time_ns));
        line("recorded by bindtrace {}, strategy {}, {}", escaped(meta.version), escaped(meta.strategy),
             filters.empty() ? "no filters" : "filters" + filters);
    }

    void write_totals() {
        std::uint64_t all = 0, failures = 0;
        for (const RecordingSummary& recording : summary_.recordings) {
            all += recording.events;
            failures += recording.failures;
        }
        std::string kinds;
        for (std::uint32_t kind = BT_KIND_BIND; kind < summary_.events.size(); ++kind)
            if (summary_.events[kind] != 0)
                kinds += fmt::format("{}{} {}", kinds.empty() ? ": " : ", ", summary_.events[kind], kind_name(kind));
        line("{}{}; {} failed", counted(all, "event"), kinds, failures);
        for (std::size_t recording = 0; recording < summary_.recordings.size(); ++recording) {
            const std::string on = summary_.recordings.size() > 1 ? " on " + host_of(recording) : "";
            for (std::size_t reason = 0; reason < kLossReasons; ++reason) {
                const LossTotal& loss = summary_.recordings[recording].losses[reason];
                if (loss.count == 0) continue;
                line("LOST: {}{} ({}), {} to {}: what follows may miss something", counted(loss.count, "event"), on,
                     loss_reason_name(static_cast<LossReason>(reason)), time(loss.first_ns), time(loss.last_ns));
            }
        }
    }

    void write_damage() {
        for (const FileSummary& file : summary_.files) {
            if (file.complete) continue;
            line("INCOMPLETE: {}: {}", escaped(file.path),
                 file.damages == 0 ? "it has no end"
                                   : fmt::format("damaged in {}, {} bytes could not be read",
                                                 counted(file.damages, "place"), file.lost_bytes));
        }
    }

    template <typename Value>
    void section(std::string_view title, const TopList<Value>& list, std::size_t shown, std::string_view what) {
        if (list.kept.empty()) return;
        out_.push_back('\n');
        heading(title);
        std::uint64_t more = list.rest.count, entries = list.rest.entries;
        for (std::size_t i = 0; i < list.kept.size(); ++i) {
            if (i < shown) {
                write(list.kept[i]);
            } else {
                more += list.kept[i].count;
                ++entries;
            }
        }
        if (more != 0)
            line("  and {} of {} (--json has up to {} of them)", counted(more, what), counted(entries, "further kind"),
                 Top<Value>::kKept);
    }

    void write(const ConflictGroup& group) {
        const std::string end = group.resolved_ns ? "got it at " + time(*group.resolved_ns) : "never got it";
        line("  {}x {} {}: {}, {}, {}, {}", group.count, errno_name(group.error), place_text(group.place),
             escaped(name_of(group.who)), cause_name(group.last.cause), span(group), end);
        line("      {}", escaped(group.last.summary));
        if (!group.last.advice.empty()) line("      fix: {}", escaped(group.last.advice.front()));
    }

    void write(const WarningGroup& group) {
        line("  {}x {}: {}, {}, {}", group.count, place_text(group.place), escaped(name_of(group.who)),
             warning_reason_name(group.last.reason), span(group));
        line("      {}", escaped(group.words.summary));
        if (!group.words.advice.empty()) line("      fix: {}", escaped(group.words.advice.front()));
    }

    void write(const Race& race) {
        std::string as = "a port the kernel chose";
        if (race.remote_port != 0 && (race.place.family == AF_INET || race.place.family == AF_INET6)) {
            as = "a source port (-> ";
            append_endpoint(as, race.place.family, race.remote_address.data(), race.remote_port);
            as += ")";
        }
        const std::string client = escaped(name_of(race.client)), server = escaped(name_of(race.server));
        const std::string when = race.claimed_ns ? " at " + time(*race.claimed_ns) : "";
        if (race.has_failed)
            line("  {}: {} had it as {}{}; {} failed to bind it {}x, {}", place_text(race.place), client, as, when,
                 server, race.count, span(race));
        else
            line("  {}: {} had given it back, and {} got it as {}{}, {}x: reserve it", place_text(race.place), server,
                 client, as, when, race.count);
    }

    void write(const HandOver& hand_over) {
        const std::string gap = hand_over.gap_ns ? fmt::format(", {} after it was free",
                                                               duration(static_cast<std::int64_t>(*hand_over.gap_ns)))
                                                 : "";
        line("  {}: from {} to {}, {}x, {}{}", place_text(hand_over.place), escaped(name_of(hand_over.from)),
             escaped(name_of(hand_over.to)), hand_over.count, span(hand_over), gap);
    }

    void write_loops() {
        std::size_t told = 0;
        for (const ConflictGroup& group : summary_.conflicts.kept) {
            if (!group.restart_loop || ++told > kOthersShown) continue;
            if (told == 1) {
                out_.push_back('\n');
                heading("RESTART LOOPS");
            }
            line("  {}: {} failed on {} within {}", escaped(name_of(group.who)), counted(group.starts, "start"),
                 place_text(group.place), duration(group.last_ns - group.first_ns));
        }
        if (told > kOthersShown) line("  and {} more (--json has them)", told - kOthersShown);
    }

    std::string& out_;
    const Summary& summary_;
    const bool colour_;
    std::int64_t first_day_ = INT64_MAX, last_day_ = 0;
};

}  // namespace

void append_report_text(std::string& out, const Summary& summary, bool colour) {
    TextWriter(out, summary, colour).write();
}

void append_held_then_text(std::string& out, const Meta& meta, const Checkpoint& held, bool colour) {
    fmt::format_to(std::back_inserter(out), "{} at {}: {}\n", meta.host.empty() ? "?" : escaped(meta.host),
                   utc_text(held.time_ns),
                   !held.ports.empty() ? counted(held.ports.size(), "socket")
                   : held.complete     ? "nobody held any"
                                       : "not known, since not all that was held is in the capture");
    if (!held.ports.empty()) append_held_ports_text(out, held.ports, colour, HeldWhen::since_start);
}

std::string utc_text(std::int64_t time_ns) {
    std::array<char, UtcTimeFormat::kLength> text;
    UtcTimeFormat().write(text.data(), time_ns);
    constexpr std::size_t kToMilliseconds = 23;
    std::string shown(text.data(), kToMilliseconds);
    shown[kDateLength] = ' ';
    return shown + " UTC";
}

}  // namespace bindtrace
