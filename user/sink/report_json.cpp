// SPDX-License-Identifier: MIT
#include "sink/report_json.h"

#include <algorithm>
#include <vector>

#include "model/names.h"
#include "sink/json_conflict.h"
#include "sink/json_fields.h"
#include "sink/json_line.h"
#include "sink/json_port_entry.h"

namespace bindtrace {
namespace {

class ReportWriter {
  public:
    explicit ReportWriter(std::string& out) : line_(out) {}

    void write(const Summary& summary) {
        line_.raw("{\"v\":");
        line_.number(kJsonVersion);
        line_.raw(",\"type\":\"report\",\"recordings\":");
        list(summary.recordings, [this](const RecordingSummary& one) { write(one); });
        line_.raw(",\"files\":");
        list(summary.files, [this](const FileSummary& one) { write(one); });
        line_.raw(",\"events\":{");
        for (std::uint32_t kind = BT_KIND_BIND; kind < summary.events.size(); ++kind) {
            if (kind != BT_KIND_BIND) line_.raw(",");
            line_.word_or_null(kind_name(kind));
            line_.raw(":");
            line_.number(summary.events[kind]);
        }
        line_.raw("},\"conflicts\":");
        list(summary.conflicts.kept, [this](const ConflictGroup& one) { write(one); });
        line_.raw(",\"races\":");
        list(summary.races.kept, [this](const Race& one) { write(one); });
        line_.raw(",\"changed_hands\":");
        list(summary.hand_overs.kept, [this](const HandOver& one) { write(one); });
        line_.raw(",\"restart_loops\":");
        write_loops(summary.conflicts.kept);
        line_.raw(",\"warnings\":");
        list(summary.warnings.kept, [this](const WarningGroup& one) { write(one); });
        line_.raw(",\"loss\":");
        write_losses(summary.recordings);
        line_.raw(",\"not_kept\":{\"conflicts\":");
        write(summary.conflicts.rest);
        line_.raw(",\"races\":");
        write(summary.races.rest);
        line_.raw(",\"changed_hands\":");
        write(summary.hand_overs.rest);
        line_.raw(",\"warnings\":");
        write(summary.warnings.rest);
        line_.raw(",\"claims\":");
        line_.number(summary.ports_not_followed);
        line_.raw("}}\n");
    }

  private:
    template <typename Value, typename Each>
    void list(const std::vector<Value>& values, Each each) {
        line_.raw("[");
        for (const Value& value : values) {
            if (&value != values.data()) line_.raw(",");
            each(value);
        }
        line_.raw("]");
    }

    void text_or_null(const std::string& text) { text.empty() ? line_.null() : line_.string(text); }

    void time_or_null(std::optional<std::int64_t> time_ns) { time_ns ? line_.time(time_, *time_ns) : line_.null(); }

    void write(const RecordingSummary& recording) {
        line_.raw("{\"host\":");
        text_or_null(recording.meta.host);
        line_.raw(",\"machine_id\":");
        text_or_null(recording.host.machine_id);
        line_.raw(",\"boot_id\":");
        text_or_null(recording.host.boot_id);
        line_.raw(",\"kernel\":");
        text_or_null(recording.meta.kernel);
        line_.raw(",\"version\":");
        text_or_null(recording.meta.version);
        line_.raw(",\"strategy\":");
        text_or_null(recording.meta.strategy);
        line_.raw(",\"filters\":");
        list(recording.meta.filters, [this](const std::string& filter) { line_.string(filter); });
        line_.raw(",\"begun\":");
        time_or_null(recording.meta.time_ns == 0 ? std::nullopt : std::optional(recording.meta.time_ns));
        line_.raw(",\"start\":");
        time_or_null(recording.first_ns == 0 ? std::nullopt : std::optional(recording.first_ns));
        line_.raw(",\"last\":");
        time_or_null(recording.last_ns == 0 ? std::nullopt : std::optional(recording.last_ns));
        line_.raw(",\"ended\":");
        line_.boolean(recording.ended);
        line_.raw(",\"events\":");
        line_.number(recording.events);
        line_.raw(",\"failures\":");
        line_.number(recording.failures);
        line_.raw("}");
    }

    void write(const FileSummary& file) {
        line_.raw("{\"path\":");
        line_.string(file.path);
        line_.raw(",\"complete\":");
        line_.boolean(file.complete);
        line_.raw(",\"damages\":");
        line_.number(file.damages);
        line_.raw(",\"lost_bytes\":");
        line_.number(file.lost_bytes);
        line_.raw("}");
    }

    // Members of an object.
    void write(const PortPlace& place) {
        line_.raw("\"recording\":");
        line_.number(place.recording);
        line_.raw(",\"proto\":");
        line_.word_or_null(protocol_name(place.protocol, place.type));
        line_.raw(",\"addr\":");
        line_.address_or_null(place.family != 0, place.family, place.address.data());
        line_.raw(",\"port\":");
        line_.number(place.port);
        write_netns(line_, place.netns, place.netns_name);
    }

    void write(const Party& party) {
        line_.raw("{\"comm\":");
        text_or_null(party.comm);
        line_.raw(",\"pid\":");
        line_.number_or_null(party.pid != 0, party.pid);
        line_.raw(",\"unit\":");
        line_.string_or_null(party.unit);
        line_.raw(",\"container\":");
        text_or_null(party.container);
        line_.raw("}");
    }

    // Members too, with the comma before them.
    template <typename Value>
    void write_count(const Value& value) {
        line_.raw(",\"count\":");
        line_.number(value.count);
        line_.raw(",\"first\":");
        line_.time(time_, value.first_ns);
        line_.raw(",\"last\":");
        line_.time(time_, value.last_ns);
    }

    void write(const WarningGroup& group) {
        line_.raw("{\"reason\":");
        line_.word_or_null(warning_reason_name(group.last.reason));
        line_.raw(",");
        write(group.place);
        line_.raw(",\"registry\":");
        is_of_registry(group.last) ? write_registry_entry(line_, group.last.entry) : line_.null();
        line_.raw(",\"who\":");
        write(group.who);
        write_count(group);
        line_.raw(",\"summary\":");
        line_.string(group.words.summary);
        line_.raw(",\"advice\":[");
        for (const std::string& advice : group.words.advice) {
            if (&advice != group.words.advice.data()) line_.raw(",");
            line_.string(advice);
        }
        line_.raw("]}");
    }

    void write(const ConflictGroup& group) {
        line_.raw("{\"cause\":");
        line_.word_or_null(cause_name(group.last.cause));
        line_.raw(",\"event\":");
        line_.word_or_null(kind_name(group.kind));
        line_.raw(",\"result\":");
        line_.word_or_null(errno_name(group.error));
        line_.raw(",");
        write(group.place);
        line_.raw(",\"who\":");
        write(group.who);
        line_.raw(",\"holder\":");
        group.holder ? write(*group.holder) : line_.null();
        write_count(group);
        line_.raw(",\"starts\":");
        line_.number(group.starts);
        line_.raw(",\"resolved\":");
        time_or_null(group.resolved_ns);
        write_conflict(line_, &group.last, group.last_ktime_ns, holder_times_);
        line_.raw("}");
    }

    void write(const Race& race) {
        line_.raw("{\"failed\":");
        line_.boolean(race.has_failed);
        line_.raw(",");
        write(race.place);
        line_.raw(",\"remote_addr\":");
        line_.address_or_null(race.remote_port != 0, race.place.family, race.remote_address.data());
        line_.raw(",\"remote_port\":");
        line_.number_or_null(race.remote_port != 0, race.remote_port);
        line_.raw(",\"client\":");
        write(race.client);
        line_.raw(",\"server\":");
        write(race.server);
        line_.raw(",\"claimed\":");
        time_or_null(race.claimed_ns);
        write_count(race);
        line_.raw("}");
    }

    void write(const HandOver& hand_over) {
        line_.raw("{");
        write(hand_over.place);
        line_.raw(",\"from\":");
        write(hand_over.from);
        line_.raw(",\"to\":");
        write(hand_over.to);
        line_.raw(",\"gap_ns\":");
        line_.number_or_null(hand_over.gap_ns.has_value(), hand_over.gap_ns.value_or(0));
        write_count(hand_over);
        line_.raw("}");
    }

    void write_loops(const std::vector<ConflictGroup>& groups) {
        std::vector<const ConflictGroup*> loops;
        for (const ConflictGroup& group : groups)
            if (group.restart_loop) loops.push_back(&group);
        list(loops, [this](const ConflictGroup* group) {
            line_.raw("{");
            write(group->place);
            line_.raw(",\"who\":");
            write(group->who);
            line_.raw(",\"starts\":");
            line_.number(group->starts);
            write_count(*group);
            line_.raw("}");
        });
    }

    void write_losses(const std::vector<RecordingSummary>& recordings) {
        line_.raw("[");
        bool is_first = true;
        for (std::size_t recording = 0; recording < recordings.size(); ++recording) {
            const auto& losses = recordings[recording].losses;
            for (std::size_t reason = 0; reason < losses.size(); ++reason) {
                if (losses[reason].count == 0) continue;
                if (!is_first) line_.raw(",");
                is_first = false;
                line_.raw("{\"recording\":");
                line_.number(recording);
                line_.raw(",\"reason\":");
                line_.word_or_null(loss_reason_name(static_cast<LossReason>(reason)));
                write_count(losses[reason]);
                line_.raw("}");
            }
        }
        line_.raw("]");
    }

    void write(const Rest& rest) {
        line_.raw("{\"entries\":");
        line_.number(rest.entries);
        line_.raw(",\"count\":");
        line_.number(rest.count);
        line_.raw("}");
    }

    JsonLine line_;
    UtcTimeFormat time_;
    HolderTimes holder_times_;
};

}  // namespace

void append_report_json(std::string& out, const Summary& summary) {
    ReportWriter(out).write(summary);
}

}  // namespace bindtrace
