// SPDX-License-Identifier: MIT
// Any bytes as a capture, through all that is made of one beyond the stream: CSV, a Perfetto trace, a database, what is
// left of it redacted, the report, the history of ports, who held them when. What must hold: nothing crashes, and each
// is what its format asks for, whatever is in there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "capture/capture_reader.h"
#include "filter/recorded_filter.h"
#include "pipeline/one_stream.h"
#include "pipeline/teller.h"
#include "redact/redactor.h"
#include "report/gather.h"
#include "report/held_at.h"
#include "report/history.h"
#include "require.h"
#include "sink/csv_sink.h"
#include "sink/json_sink.h"
#include "sink/perfetto_sink.h"
#include "sink/report_json.h"
#include "sink/report_text.h"
#include "sink/sqlite_sink.h"
#include "sink/text_sink.h"

namespace {

using namespace bindtrace;

bool has_controls(std::string_view text) {
    for (const char character : text)
        if ((static_cast<unsigned char>(character) < 0x20 && character != '\n') || character == '\x7f') return true;
    return false;
}

// Rows of as many fields as the heading has, of which none is a formula.
void check_csv(const std::string& csv) {
    std::size_t columns = 0, fields = 1;
    bool is_quoted = false, is_start = true;
    for (std::size_t i = 0; i < csv.size(); ++i) {
        const char character = csv[i];
        if (is_start && !is_quoted)
            require(std::string_view("=+-@\t").find(character) == std::string_view::npos ||
                    (character == '-' && i + 1 < csv.size() && csv[i + 1] >= '0'));
        is_start = false;
        if (character == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && character == ',') {
            ++fields;
            is_start = true;
        } else if (!is_quoted && character == '\n') {
            require(i > 0 && csv[i - 1] == '\r');
            if (columns == 0) columns = fields;
            require(fields == columns);
            fields = 1;
            is_start = true;
        } else {
            require(is_quoted || character == '\r' || !has_controls({&character, 1}));
        }
    }
    require(!is_quoted && is_start);
}

std::uint64_t take_number(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        require(!bytes.empty());
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << std::min(shift, 63u);
        if (byte < 0x80) return value;
    }
    std::abort();
}

// A row of packets, whose fields are numbers and lengths that fit.
void check_perfetto(std::string_view bytes, int depth = 0) {
    while (!bytes.empty()) {
        const std::uint64_t key = take_number(bytes);
        const std::uint64_t value = take_number(bytes);
        if ((key & 7) == 0) continue;
        require((key & 7) == 2 && value <= bytes.size());
        if (depth == 0) check_perfetto(bytes.substr(0, value), 1);
        bytes.remove_prefix(value);
    }
}

void check_json_lines(const std::string& json) {
    std::size_t begin = 0;
    for (std::size_t end = json.find('\n'); end != std::string::npos; end = json.find('\n', begin)) {
        require(nlohmann::json::accept(json.begin() + static_cast<std::ptrdiff_t>(begin),
                                       json.begin() + static_cast<std::ptrdiff_t>(end)));
        begin = end + 1;
    }
    require(begin == json.size());
}

const RecordedFilter& everything() {
    static const RecordedFilter filter = [] {
        RecordedFilter all;
        all.filter.kinds = ~0u;
        return all;
    }();
    return filter;
}

void read_into(const std::string& bytes, Receiver& receiver) {
    const std::function<bool()> goes_on = [] { return true; };
    OneStream stream(Checkpoints::first, receiver, goes_on);
    static_cast<void>(
        CaptureReader::of(bytes)->read(stream, [&](const BlockHeader& header) { return stream.begin_block(header); }));
}

void check_exports(const std::string& bytes, bool is_redacted) {
    static const Tokens tokens = *Tokens::make();
    const auto told = [&](Sink& sink) {
        std::string out;
        Teller teller(sink, out);
        Redactor redactor(tokens, teller);
        read_into(bytes, is_redacted ? static_cast<Receiver&>(redactor) : teller);
        return out;
    };
    CsvSink csv;
    check_csv(told(csv));
    PerfettoSink perfetto;
    check_perfetto(told(perfetto));
    JsonSink json(true);
    check_json_lines(told(json));
    const auto database = SqliteSink::open(":memory:");
    require(static_cast<bool>(database));
    told(**database);
    require(static_cast<bool>((*database)->finish()));
}

void check_report(const std::string& bytes) {
    Gather gather(everything());
    read_into(bytes, gather);
    const Summary summary = gather.summary();
    std::string json, text;
    append_report_json(json, summary);
    check_json_lines(json);
    append_report_text(text, summary, false);
    require(!has_controls(text));
}

void check_history(const std::string& bytes, bool is_json) {
    JsonSink json(true);
    TextSink text({.zone = Zone::utc, .tells_host = true});
    std::string out;
    History history(everything(), is_json ? static_cast<Sink&>(json) : text, out,
                    {.json = is_json, .tells_host = true});
    read_into(bytes, history);
    history.finish();
    is_json ? check_json_lines(out) : require(!has_controls(out));
}

void check_held_at(const std::string& bytes) {
    SpanFinder finder;
    static_cast<void>(
        CaptureReader::of(bytes)->read(finder, [&](const BlockHeader& header) { return finder.begin_block(header); }));
    for (const auto& [recording, span] : finder.spans()) {
        HeldAt held_at(finder.spans(), {.has_date = true, .ns = span.last_ns()});
        static_cast<void>(CaptureReader::of(bytes)->read(
            held_at, [&](const BlockHeader& header) { return held_at.begin_block(header); }));
        std::string out;
        for (const HeldThen& then : held_at.held()) append_held_then_text(out, then.meta, then.held, false);
        require(!has_controls(out));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    static BlockPacker packer;  // making one takes longer than all else
    // Records of a block whose checksum is right, and as many more of another recording.
    std::string capture(packer.pack({.kind = BlockKind::events, .recording = 1, .first_ns = 1, .last_ns = 9}, bytes));
    capture += packer.pack({.kind = BlockKind::checkpoint, .recording = 2, .first_ns = 1, .last_ns = 9}, bytes);
    check_exports(capture, size % 2 == 0);
    check_report(capture);
    check_history(capture, size % 2 == 0);
    check_held_at(capture);
    return 0;
}
