// SPDX-License-Identifier: MIT
// Any bytes as a capture, and any bytes as the records of a block whose checksum is right. What must hold: nothing
// crashes, what is told is one line of JSON an event, and the reader accounts for every byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "capture/capture_reader.h"
#include "capture/encoder.h"
#include "capture/holder_table.h"
#include "pipeline/teller.h"
#include "require.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using namespace bindtrace;

// Only counts.
class Count final : public Receiver {
  public:
    void meta(const Meta&) override {}
    void event(const Event&, const Context&, const Findings*) override { ++events; }
    void loss(const Loss&) override {}
    std::uint64_t events = 0;
};

// Tells it, and encodes it again, as a conversion of captures would.
class Check final : public Receiver {
  public:
    void meta(const Meta& meta) override {
        tell([&](Receiver& to) { to.meta(meta); });
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        tell([&](Receiver& to) { to.event(event, context, findings); });
        encoder_.event(event, context, findings);
        holders_.apply(event, context);
        ++events_;
    }
    void loss(const Loss& loss) override {
        tell([&](Receiver& to) { to.loss(loss); });
        encoder_.loss(loss);
    }
    void warning(const Warning& warning) override {
        tell([&](Receiver& to) { to.warning(warning); });
        encoder_.warning(warning);
    }
    void netns(const NetnsFacts& netns) override { encoder_.netns(netns); }
    void checkpoint(const Checkpoint& checkpoint) override {
        holders_.restart(checkpoint.ports, checkpoint.complete, checkpoint.ktime_ns);
        const Checkpoint held = holders_.checkpoint(checkpoint.time_ns, checkpoint.ktime_ns);
        encoder_.checkpoint(held.time_ns, held.ktime_ns, held.ports.size(), held.complete);
        for (const HeldPort& port : held.ports) encoder_.held(port);
    }

    // What was encoded can be decoded.
    void finish() {
        Count count;
        BlockDecoder decoder;
        decoder.begin(encoder_.records(), 0);
        while (decoder.next(count)) {
        }
        require(count.events == events_ && decoder.skipped().malformed == 0);
    }

  private:
    template <typename Tell>
    void tell(Tell what) {
        json_.clear();
        text_.clear();
        what(as_json_);
        what(as_text_);
        require(json_.find('\n') == json_.size() - 1);
        require(nlohmann::json::accept(json_));
        require(!text_.empty() && text_.back() == '\n');
    }

    std::string json_, text_;
    JsonSink json_sink_;
    TextSink text_sink_{{.colour = false}};
    Teller as_json_{json_sink_, json_}, as_text_{text_sink_, text_};
    TaskCache tasks_;
    BlockEncoder encoder_{tasks_};
    HolderTable holders_{tasks_};
    std::uint64_t events_ = 0;
};

void read(const std::string& bytes) {
    Check check;
    const auto report = CaptureReader::of(bytes)->read(check);
    if (report) require(report->lost_bytes <= bytes.size());
    check.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    read(bytes);

    static BlockPacker packer;  // making one takes longer than all else
    const std::string block(packer.pack({.kind = BlockKind::events}, bytes));
    read(block);
    read(bytes + block);
    return 0;
}
