// SPDX-License-Identifier: MIT
// many_events FILE N: writes a capture of so many events of a busy host, of which some fail.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "capture/capture_writer.h"
#include "mixed_stream.h"

namespace bindtrace {
namespace {

constexpr std::size_t kPerSecond = 20'000;

class ToFile final : public BlockOutput {
  public:
    explicit ToFile(const char* path) : file_(path, std::ios::binary) {}

    Status write(std::string_view block) override {
        file_.write(block.data(), static_cast<std::streamsize>(block.size()));
        return file_ ? Status() : Error{"cannot write"};
    }

  private:
    std::ofstream file_;
};

bool write(const char* path, std::size_t events) {
    ToFile file(path);
    CaptureWriter writer(file);
    Stream stream;
    stream.next();
    const Meta meta{.time_ns = stream.context.time_ns,
                    .ktime_ns = stream.event.ktime_ns,
                    .version = "-",
                    .host = "busy",
                    .kernel = "-",
                    .strategy = "none",
                    .filters = {}};
    bool is_written =
        static_cast<bool>(writer.start(meta, {.recording = 1, .machine_id = "-", .boot_id = "-"}, {}, true));
    for (std::size_t i = 1; i <= events && is_written; ++i) {
        stream.next();
        writer.event(stream.event, stream.context, stream.findings);
        if (i % kPerSecond == 0)
            is_written = static_cast<bool>(writer.tick(stream.context.time_ns, stream.event.ktime_ns));
    }
    return is_written && writer.finish();
}

}  // namespace
}  // namespace bindtrace

int main(int argc, char** argv) {
    if (argc == 3 && bindtrace::write(argv[1], std::strtoul(argv[2], nullptr, 10))) return 0;
    std::fprintf(stderr, "many_events FILE N\n");
    return 1;
}
