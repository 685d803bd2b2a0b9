// SPDX-License-Identifier: MIT
// Two made-up captures, of two hosts, that were read from their files: what replay and export tell of them.
#include "../unit/protobuf_fields.h"
#include "../unit/temp_dir.h"
#include "capture/capture_set.h"
#include "capture/capture_writer.h"
#include "client_in_the_way.h"
#include "golden.h"
#include "pipeline/one_stream.h"
#include "pipeline/recorded.h"
#include "registry_warning.h"
#include "sink/csv_sink.h"
#include "sink/perfetto_sink.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kCaptureSecond = 1'000'000'000;

class BytesOutput final : public BlockOutput {
  public:
    Status write(std::string_view block) override {
        bytes += block;
        return {};
    }
    std::string bytes;
};

class GoldenCaptures : public Golden {
  protected:
    // A client has 8080 on web when myapp wants it, as the registry warned; on db, which booted an hour later, nobody
    // is in the way.
    GoldenCaptures() {
        const Story client = Story(BT_KIND_AUTOBIND, BT_OP_CONNECT)
                                 .by_java()
                                 .ephemeral()
                                 .hold({"10.0.0.1", 8080})
                                 .reach({"10.0.0.5", 8848});
        Recording web("web", 0);
        web.tell(client, 1);
        Warning taken =
            warning(WarningReason::ephemeral,
                    by(connected(held({"10.0.0.1", 8080, IPPROTO_TCP, TCP_SYN_SENT}), "10.0.0.5", 8848), kMetrics));
        taken.claim.raw.op = BT_OP_CONNECT;
        taken.entry.owners = {{OwnerRule::Kind::unit,
                               "my\x1b"
                               "app.service"}};
        web.warn(taken, 2);
        const Story refused = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).fail(EADDRINUSE);
        const Findings found = client_in_the_way(refused, client, 1024, 65535);
        web.tell(refused, 3, &found);
        Story gone = client;
        gone.event.kind = BT_KIND_RELEASE;
        gone.event.op = BT_OP_CLOSE;
        web.tell(gone.held(5 * kCaptureSecond), 6);
        files_.push_back(dir_.write("web", web.bytes()));

        Recording db("=db\x1b[2J", 3600 * kCaptureSecond);
        db.tell(Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080}), 2);
        db.lose(17, 4);
        db.tell(Story(BT_KIND_RELEASE, BT_OP_CLOSE).hold({"0.0.0.0", 8080}).held(3 * kCaptureSecond), 5);
        files_.push_back(dir_.write("db", db.bytes()));
    }

    std::string told(Sink& sink) const {
        auto captures = CaptureSet::look(files_);
        EXPECT_TRUE(captures && captures->has_several_hosts());
        std::string out;
        Retelling retelling(sink, out, [] { return Status(); });
        const std::function<bool()> goes_on = [] { return true; };
        OneStream stream(Checkpoints::first, retelling, goes_on);
        const auto read = captures->read(stream);
        EXPECT_TRUE(read && read->is_complete());
        return out;
    }

  private:
    class Recording {
      public:
        Recording(const std::string& host, std::uint64_t boot_ns) : boot_ns_(boot_ns) {
            EXPECT_TRUE(writer_.start({.time_ns = kTime,
                                       .ktime_ns = kKtime - boot_ns,
                                       .version = "0.1.0",
                                       .host = host,
                                       .kernel = "6.18.44",
                                       .strategy = "fentry",
                                       .filters = {"--port 8080"}},
                                      {.recording = host.size(), .machine_id = "0123abcd", .boot_id = host}, {}, true));
        }
        void tell(Story story, std::int64_t second, const Findings* findings = nullptr) {
            story.event.ktime_ns = ktime_at(second);
            story.context.time_ns = kTime + second * kCaptureSecond;
            story.settle();
            writer_.event(story.event, story.context, findings);
        }
        void warn(Warning warning, std::int64_t second) {
            warning.time_ns = kTime + second * kCaptureSecond;
            warning.ktime_ns = ktime_at(second);
            writer_.warning(warning);
        }
        void lose(std::uint64_t count, std::int64_t second) {
            writer_.loss({.time_ns = kTime + second * kCaptureSecond,
                          .ktime_ns = ktime_at(second),
                          .reason = LossReason::ring_full,
                          .count = count});
        }
        const std::string& bytes() {
            EXPECT_TRUE(writer_.finish());
            return output_.bytes;
        }

      private:
        std::uint64_t ktime_at(std::int64_t second) const {
            return kKtime - boot_ns_ + static_cast<std::uint64_t>(second * kCaptureSecond);
        }

        std::uint64_t boot_ns_;
        BytesOutput output_;
        CaptureWriter writer_{output_};
    };

    const TempDir dir_;
    std::vector<std::string> files_;
};

// Fields by the names of the public schema: protos/perfetto/trace.
struct ProtoName {
    std::string_view message;
    std::uint32_t number;
    std::string_view name, type;  // type: of a message
};
constexpr ProtoName kProtoNames[] = {
    {"Trace", 1, "packet", "TracePacket"},
    {"TracePacket", 6, "clock_snapshot", "ClockSnapshot"},
    {"TracePacket", 8, "timestamp", ""},
    {"TracePacket", 10, "trusted_packet_sequence_id", ""},
    {"TracePacket", 11, "track_event", "TrackEvent"},
    {"TracePacket", 13, "sequence_flags", ""},
    {"TracePacket", 58, "timestamp_clock_id", ""},
    {"TracePacket", 60, "track_descriptor", "TrackDescriptor"},
    {"ClockSnapshot", 1, "clocks", "Clock"},
    {"ClockSnapshot", 2, "primary_trace_clock", ""},
    {"Clock", 1, "clock_id", ""},
    {"Clock", 2, "timestamp", ""},
    {"TrackDescriptor", 1, "uuid", ""},
    {"TrackDescriptor", 2, "name", "string"},
    {"TrackDescriptor", 5, "parent_uuid", ""},
    {"TrackEvent", 4, "debug_annotations", "DebugAnnotation"},
    {"TrackEvent", 9, "type", ""},
    {"TrackEvent", 11, "track_uuid", ""},
    {"TrackEvent", 22, "categories", "string"},
    {"TrackEvent", 23, "name", "string"},
    {"DebugAnnotation", 3, "uint_value", ""},
    {"DebugAnnotation", 6, "string_value", "string"},
    {"DebugAnnotation", 10, "name", "string"},
};

void append_message(std::string& out, std::string_view message, std::string_view bytes, const std::string& indent) {
    for (const ProtoField& field : parse_message(bytes)) {
        const auto* const known = std::ranges::find_if(
            kProtoNames, [&](const ProtoName& name) { return name.message == message && name.number == field.number; });
        ASSERT_NE(known, std::end(kProtoNames)) << message << " has no field " << field.number;
        out += indent + std::string(known->name);
        if (known->type.empty()) {
            out += ": " + std::to_string(field.value) + "\n";
        } else if (known->type == "string") {
            out += ": \"" + std::string(field.bytes) + "\"\n";
        } else {
            out += " {\n";
            append_message(out, known->type, field.bytes, indent + "  ");
            out += indent + "}\n";
        }
    }
}

TEST_F(GoldenCaptures, ReplayTellsTheHostOfEachLine) {
    TextSink text({.tells_host = true});
    JsonSink json(true);
    const std::string lines = told(json);
    std::size_t begin = 0;
    for (std::size_t end = lines.find('\n'); end != std::string::npos; end = lines.find('\n', begin)) {
        EXPECT_TRUE(nlohmann::json::parse(lines.substr(begin, end - begin)).contains("host"));
        begin = end + 1;
    }
    expect_file("hosts", told(text) + lines);
}

TEST_F(GoldenCaptures, AsCsv) {
    CsvSink csv;
    expect_file("export_csv", told(csv));
}

TEST_F(GoldenCaptures, AsAPerfettoTrace) {
    PerfettoSink perfetto;
    std::string shown;
    append_message(shown, "Trace", told(perfetto), "");
    expect_file("export_perfetto", shown);
}

}  // namespace
}  // namespace bindtrace
