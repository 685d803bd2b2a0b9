// SPDX-License-Identifier: MIT
#include "cli/report_captures.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "cli/captures.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "filter/recorded_filter.h"
#include "model/names.h"
#include "report/gather.h"
#include "report/held_at.h"
#include "report/history.h"
#include "sink/escape.h"
#include "sink/held_ports.h"
#include "sink/output.h"
#include "sink/report_html.h"
#include "sink/report_json.h"
#include "sink/report_text.h"
#include "sink/whole_file.h"

namespace bindtrace {
namespace {

constexpr std::size_t kOutputGoal = 64 << 10;  // bytes that are written at once

// Hands what is read on to what makes something of it, which need not know of blocks.
template <typename Target>
class Reading : public BlockReceiver {
  public:
    explicit Reading(Target& target) : target_(target) {}

    void begin_of(std::uint64_t recording) override { target_.begin_of(recording); }
    void meta(const Meta& meta) override { target_.meta(meta); }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        target_.event(event, context, findings);
    }
    void loss(const Loss& loss) override { target_.loss(loss); }
    void warning(const Warning& warning) override { target_.warning(warning); }
    void host(const Host& host) override { target_.host(host); }
    void checkpoint(const Checkpoint& checkpoint) override { target_.checkpoint(checkpoint); }
    void end(const RecordingEnd& end) override { target_.end(end); }

  protected:
    Target& target_;
};

// What Gather and History ask for, whose output is written on the way.
template <typename Target>
class WholeReading final : public Reading<Target> {
  public:
    WholeReading(Target& target, Output& output) : Reading<Target>(target), output_(output) {}

    CaptureReader::Choice begin_block(const BlockHeader& header) override {
        if (status_ && output_.buffer().size() >= kOutputGoal) status_ = output_.flush();
        if (!status_) return CaptureReader::Choice::stop;
        return this->target_.begin_block(header);
    }
    Status finish() { return status_ ? output_.finish() : status_; }

  private:
    Output& output_;
    Status status_;
};

// What the blocks themselves decide about.
template <typename Target>
class PartReading final : public Reading<Target> {
  public:
    explicit PartReading(Target& target) : Reading<Target>(target) {}

    CaptureReader::Choice begin_block(const BlockHeader& header) override { return this->target_.begin_block(header); }
};

int exit_code(const SetRead& read, bool found) {
    if (!read.is_complete()) return kExitIncomplete;
    return found ? kExitFine : kExitBad;
}

Summary summary_of(Gather& gather, const SetRead& read) {
    Summary summary = gather.summary();
    for (const FileRead& file : read.files)
        summary.files.push_back({.path = file.path,
                                 .complete = file.is_complete(),
                                 .lost_bytes = file.read.lost_bytes,
                                 .damages = file.read.damage_count});
    return summary;
}

int report_summary(const Options& options, CaptureSet& captures, const RecordedFilter& filter) {
    Gather gather(filter);
    Output output(STDOUT_FILENO, -1);
    WholeReading reading(gather, output);
    const auto read = read_and_tell(captures, reading);
    if (!read) return report(read.error(), kExitRuntime);
    const Summary summary = summary_of(gather, *read);
    options.json ? append_report_json(output.buffer(), summary)
                 : append_report_text(output.buffer(), summary, wants_colour());
    if (Status written = reading.finish(); !written) return report(written.error(), kExitRuntime);
    return exit_code(*read, true);
}

// The place is looked at before captures of any size are read, and written to afterwards.
int report_page(const Options& options, CaptureSet& captures, const RecordedFilter& filter) {
    const bool is_pipe = options.html == "-";
    if (is_pipe && isatty(STDOUT_FILENO) != 0)
        return report({"a page is not for a terminal", 0, "--html FILE, or pipe it somewhere"}, kExitUsage);
    std::optional<WholeFile> file;
    if (!is_pipe) {
        std::signal(SIGXFSZ, SIG_IGN);  // then a file that may not grow is an error of write(), with a message
        auto place = WholeFile::at(options.html, options.force);
        if (!place) return report(place.error(), kExitRuntime);
        file = std::move(*place);
    }
    Timeline timeline(filter);
    Gather gather(filter, &timeline);
    Output output(STDOUT_FILENO, -1);
    WholeReading reading(gather, output);
    const auto read = read_and_tell(captures, reading);
    if (!read) return report(read.error(), kExitRuntime);
    const Summary summary = summary_of(gather, *read);
    std::string page;
    append_report_html(page, summary, timeline.drawing(summary.recordings));
    if (!file) output.buffer() = page;
    const Status written = file ? file->write(page) : reading.finish();
    if (!written) return report(written.error(), kExitRuntime);
    return exit_code(*read, true);
}

int report_history(const Options& options, CaptureSet& captures, const RecordedFilter& filter) {
    const std::unique_ptr<Sink> sink = make_sink(options.json, Zone::utc, captures.has_several_hosts());
    Output output(STDOUT_FILENO, -1);
    History history(filter, *sink, output.buffer(),
                    {.json = options.json, .colour = wants_colour(), .tells_host = captures.has_several_hosts()});
    WholeReading reading(history, output);
    const auto read = read_and_tell(captures, reading);
    if (!read) {
        static_cast<void>(output.finish());
        return report(read.error(), kExitRuntime);
    }
    history.finish();
    if (Status written = reading.finish(); !written) return report(written.error(), kExitRuntime);
    if (!history.found()) spdlog::warn("nothing in there is about port {}", options.filter.ports);
    return exit_code(*read, history.found());
}

std::string windows_text(const SpanFinder& finder) {
    std::string text;
    for (const auto& [recording, span] : finder.spans()) {
        if (!span.utc_offset_ns) continue;
        if (!text.empty()) text += ", and ";
        append_text(text, span.meta.host.empty() ? "?" : span.meta.host);
        text += " from " + utc_text(span.first_ns()) + " to " + utc_text(span.last_ns());
    }
    return text;
}

int report_held_at(const Options& options, CaptureSet& captures, const RecordedFilter& filter, const Moment& moment) {
    for (const std::string& path : options.captures)
        if (!is_plain_file(path))
            return report({"--at reads a capture twice, which a pipe does not allow", 0, "write it to a file first"},
                          kExitUsage);
    SpanFinder finder;
    PartReading finding(finder);
    const auto found = captures.read(finding);
    if (!found) return report(found.error(), kExitRuntime);
    HeldAt held_at(finder.spans(), moment);
    if (!held_at.is_within()) {
        if (!found->is_complete())
            spdlog::warn("the capture is damaged or has no end: report without --at tells where");
        return report({"--at: " + options.at + " is outside of what was recorded", 0, windows_text(finder)},
                      found->is_complete() ? kExitUsage : kExitIncomplete);
    }
    PartReading reading(held_at);
    const auto read = read_and_tell(captures, reading);
    if (!read) return report(read.error(), kExitRuntime);

    Output output(STDOUT_FILENO, -1);
    bool is_held = false, is_complete = true;
    for (HeldThen& then : held_at.held()) {
        std::vector<HeldPort>& ports = then.held.ports;
        std::erase_if(ports, [&filter](const HeldPort& port) { return !filter.matches(port); });
        sort_held_ports(ports);
        is_held |= !ports.empty();
        then.held.complete &= tells_all_claims(then.meta, filter);
        is_complete &= then.held.complete;
        if (options.json)
            append_held_ports_json(output.buffer(), ports, then.held.ktime_ns,
                                   captures.has_several_hosts() ? std::optional(then.meta.host) : std::nullopt);
        else
            append_held_then_text(output.buffer(), then.meta, then.held, wants_colour());
    }
    if (Status written = output.finish(); !written) return report(written.error(), kExitRuntime);
    if (!is_complete) spdlog::warn("there may be more: not all that was held is in the capture");
    return exit_code(*read, is_held);
}

// The ports that the other commands take, of one protocol or all: "8080,9000-9100", "53/udp".
Status add_ports(RecordedFilter& filter, const std::string& word) {
    const std::size_t slash = word.find('/');
    auto ports = parse_ports(std::string_view(word).substr(0, slash));
    if (!ports) return ports.error();
    filter.filter.ports = std::move(*ports);
    if (slash == std::string::npos) return {};
    const std::string protocol = word.substr(slash + 1);
    const auto bit = protocol_bit(protocol);
    if (!bit) return Error{"--port: '" + word + "': the protocol is one of tcp, udp, udplite, mptcp, sctp, icmp"};
    filter.filter.protocols = *bit;
    if (protocol == "tcp") filter.filter.protocols |= BT_PROTO_MPTCP;  // which has a TCP port
    return {};
}

}  // namespace

int run_report(const Options& options) {
    FilterWords words = options.filter;
    const std::string port = std::exchange(words.ports, "");
    auto filter = resolve_recorded(words);
    if (!filter) return report(filter.error(), kExitUsage);
    if (!port.empty())
        if (Status set = add_ports(*filter, port); !set) return report(set.error(), kExitUsage);
    std::optional<Moment> moment;
    if (!options.at.empty()) {
        const auto parsed = parse_moment(options.at);
        if (!parsed) return report(parsed.error(), kExitUsage);
        moment = *parsed;
    }
    auto captures = CaptureSet::look(options.captures);
    if (!captures) return report(captures.error(), kExitRuntime);
    if (moment) return report_held_at(options, *captures, *filter, *moment);
    if (!options.html.empty()) return report_page(options, *captures, *filter);
    return port.empty() ? report_summary(options, *captures, *filter) : report_history(options, *captures, *filter);
}

}  // namespace bindtrace
