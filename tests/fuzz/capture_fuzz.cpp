// SPDX-License-Identifier: MIT
// Any bytes as a capture, and any bytes as the records of a block whose checksum is right. What must hold: nothing
// crashes, what is told is one line of JSON an event, and the reader accounts for every byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "capture/capture_reader.h"
#include "capture/capture_writer.h"
#include "pipeline/teller.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using namespace bindtrace;

void require(bool holds) {
    if (!holds) std::abort();
}

// Tells it, and writes it again, as a conversion of captures would.
class Check final : public Receiver, public BlockOutput {
  public:
    void meta(const Meta& meta) override {
        tell([&](Receiver& to) { to.meta(meta); });
    }
    void event(const Event& event, const Context& context, const Findings* findings) override {
        tell([&](Receiver& to) { to.event(event, context, findings); });
        writer_.event(event, context, findings);
    }
    void loss(const Loss& loss) override {
        tell([&](Receiver& to) { to.loss(loss); });
        writer_.loss(loss);
    }
    void host(const Host& host) override { writer_.host(host); }
    void netns(const NetnsFacts& netns) override { writer_.netns(netns); }
    void checkpoint(const Checkpoint& checkpoint) override {
        require(bool(writer_.start({}, {}, checkpoint.ports, checkpoint.complete)));
    }
    Status write(std::string_view) override { return {}; }

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
    CaptureWriter writer_{*this};
};

void read(const std::string& bytes) {
    Check check;
    const auto report = CaptureReader::of(bytes)->read(check);
    if (report) require(report->lost_bytes <= bytes.size());
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
