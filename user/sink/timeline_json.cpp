// SPDX-License-Identifier: MIT
#include "sink/timeline_json.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/names.h"
#include "sink/json_fields.h"
#include "sink/json_line.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kNsPerUs = 1000;

class TimelineWriter {
  public:
    TimelineWriter(std::string& out, const Drawing& drawing, const Summary& summary) : line_(out), drawing_(drawing) {
        for (const Activity& activity : drawing.activities)
            if (activity.begin_ns != 0) begin_ns_ = std::min(begin_ns_, activity.begin_ns);
        if (begin_ns_ == INT64_MAX) begin_ns_ = 0;
        for (std::size_t i = 0; i < summary.conflicts.kept.size(); ++i) groups_[summary.conflicts.kept[i].id] = i;
    }

    void write() {
        line_.raw("{\"begin_us\":");
        line_.number(begin_ns_ / kNsPerUs);
        line_.raw(",\"activity\":");
        list(drawing_.activities, [this](const Activity& one) { write(one); });
        line_.raw(
            ",\"holding_keys\":[\"from\",\"to\",\"who\",\"pid\",\"addr\",\"remote\",\"count\",\"held\",\"is\"],"
            "\"refused_keys\":[\"from\",\"to\",\"who\",\"pid\",\"holder\",\"cause\",\"result\",\"count\",\"conflict\","
            "\"is\"],\"lanes\":");
        list(drawing_.lanes.kept, [this](const Lane& one) { write(one); });
        line_.raw(",\"parties\":");
        list(parties_, [this](const Party* one) { write(*one); });
        line_.raw(",\"not_drawn\":{\"lanes\":");
        line_.number(drawing_.lanes.rest.entries);
        line_.raw(",\"of_lanes\":");
        line_.number(drawing_.lanes.rest.count);
        line_.raw(",\"clients\":");
        line_.number(drawing_.clients_not_drawn);
        line_.raw("}}");
    }

  private:
    template <typename Values, typename Each>
    void list(const Values& values, Each each) {
        line_.raw("[");
        bool is_first = true;
        for (const auto& value : values) {
            if (!is_first) line_.raw(",");
            is_first = false;
            each(value);
        }
        line_.raw("]");
    }

    void since_begin(std::int64_t time_ns) { line_.number((time_ns - begin_ns_) / kNsPerUs); }

    // Of the steps those in which something happened, with their numbers.
    void write(const Activity& activity) {
        line_.raw("{\"from\":");
        since_begin(activity.begin_ns);
        line_.raw(",\"to\":");
        since_begin(activity.last_ns);
        line_.raw(",\"step\":");
        line_.number(activity.step_ns / kNsPerUs);
        line_.raw(",\"steps\":[");
        bool is_first = true;
        for (std::size_t i = 0; i < activity.steps.size(); ++i) {
            if (activity.steps[i].events == 0) continue;
            if (!is_first) line_.raw(",");
            is_first = false;
            line_.raw("[");
            line_.number(i);
            line_.raw(",");
            line_.number(activity.steps[i].events);
            line_.raw(",");
            line_.number(activity.steps[i].failures);
            line_.raw("]");
        }
        line_.raw("]}");
    }

    void write(const Party& party) {
        line_.raw("{\"comm\":");
        party.comm.empty() ? line_.null() : line_.string(party.comm);
        line_.raw(",\"unit\":");
        line_.string_or_null(party.unit);
        line_.raw(",\"container\":");
        party.container.empty() ? line_.null() : line_.string(party.container);
        line_.raw("}");
    }

    // Its number, in the order in which they are told first.
    void number_of(const Party& party) {
        std::string key = party.comm + '\0' + party.unit.value_or("") + '\0' + party.container;
        const auto [found, is_new] = party_numbers_.try_emplace(std::move(key), parties_.size());
        if (is_new) parties_.push_back(&party);
        line_.number(found->second);
    }

    void write(const Lane& lane) {
        line_.raw("{\"recording\":");
        line_.number(lane.place.recording);
        line_.raw(",\"proto\":");
        line_.word_or_null(protocol_name(lane.place.protocol, lane.place.type));
        line_.raw(",\"port\":");
        line_.number(lane.place.port);
        write_netns(line_, lane.place.netns, lane.place.netns_name);
        line_.raw(",\"held\":");
        line_.number(lane.holdings_count);
        line_.raw(",\"failures\":");
        line_.number(lane.failures);
        line_.raw(",\"changes\":");
        line_.number(lane.changes);
        line_.raw(",\"not_drawn\":");
        line_.number(lane.not_drawn);
        line_.raw(",\"holdings\":");
        list(lane.holdings.items(), [this](const Holding& one) { write(one); });
        line_.raw(",\"refused\":");
        list(lane.refused.items(), [this](const Refused& one) { write(one); });
        line_.raw("}");
    }

    void write(const Holding& holding) {
        const bt_sock& sock = holding.sock;
        line_.raw("[");
        since_begin(holding.first_ns);
        line_.raw(",");
        since_begin(holding.last_ns);
        line_.raw(",");
        number_of(holding.who);
        line_.raw(",");
        line_.number_or_null(holding.who.pid != 0, holding.who.pid);
        line_.raw(",");
        line_.address_or_null(true, sock.family, sock.local_addr);
        line_.raw(",");
        remote(sock);
        line_.raw(",");
        line_.number(holding.count);
        line_.raw(",");
        line_.number(holding.held_ns / static_cast<std::uint64_t>(kNsPerUs));
        line_.raw(",\"");
        if (holding.begin_unknown) line_.raw("b");
        if (holding.ending == Ending::open) line_.raw("o");
        if (holding.ending == Ending::unknown) line_.raw("u");
        if (holding.is_ephemeral) line_.raw("c");
        if (holding.listened) line_.raw("l");
        if (holding.has_others) line_.raw("m");
        line_.raw("\"]");
    }

    void remote(const bt_sock& sock) {
        if (sock.remote_port == 0 || (sock.family != AF_INET && sock.family != AF_INET6)) return line_.null();
        std::string text;
        append_endpoint(text, sock.family, sock.remote_addr, sock.remote_port);
        line_.string(text);
    }

    void write(const Refused& refused) {
        const auto group = groups_.find(refused.group);
        line_.raw("[");
        since_begin(refused.first_ns);
        line_.raw(",");
        since_begin(refused.last_ns);
        line_.raw(",");
        number_of(refused.who);
        line_.raw(",");
        line_.number_or_null(refused.who.pid != 0, refused.who.pid);
        line_.raw(",");
        refused.holder ? number_of(*refused.holder) : line_.null();
        line_.raw(",");
        line_.word_or_null(cause_name(refused.cause));
        line_.raw(",");
        line_.word_or_null(errno_name(refused.error));
        line_.raw(",");
        line_.number(refused.count);
        line_.raw(",");
        line_.number_or_null(group != groups_.end(), group != groups_.end() ? group->second : 0);
        line_.raw(",\"");
        if (refused.has_others) line_.raw("m");
        line_.raw("\"]");
    }

    JsonLine line_;
    const Drawing& drawing_;
    std::int64_t begin_ns_ = INT64_MAX;
    std::unordered_map<std::uint64_t, std::size_t> groups_;  // ConflictGroup::id to its index
    std::unordered_map<std::string, std::size_t> party_numbers_;
    std::vector<const Party*> parties_;
};

}  // namespace

void append_timeline_json(std::string& out, const Drawing& drawing, const Summary& summary) {
    TimelineWriter(out, drawing, summary).write();
}

}  // namespace bindtrace
