// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enrich/file_notes.h"
#include "enrich/port_mapping.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

struct DockerContainer {
    ContainerFacts facts;
    bool running = false;
    std::vector<std::string> addresses;
    std::vector<PortMapping> ports;
};

// From config.v2.json, which dockerd replaces as a whole whenever something changes. user: of a rootless dockerd.
std::optional<DockerContainer> docker_container(const StateFiles& files, std::string_view id,
                                                std::optional<std::uint32_t> user);

// All containers of a Docker, asked for those that may have published a port. Of each file it is remembered which ports
// it may speak of: the others are not even opened again until they have changed.
class DockerContainers {
  public:
    explicit DockerContainers(const StateFiles& files) : files_(files) {}

    // Root's, so that whoever asks first need not wait for that. What we may not read is not told before it is asked
    // for.
    void read_ahead(std::int64_t now_ns);

    // Nothing where we may not look. now_ns: UTC, and not in the future.
    std::optional<std::vector<DockerContainer>> with_port(std::optional<std::uint32_t> user, std::uint16_t host_port,
                                                          std::int64_t now_ns);

  private:
    // The numbers in quotes, in order: a port is one, and little else. Those of a file with many are not remembered.
    using Numbers = std::vector<std::uint16_t>;
    static constexpr std::size_t kNumbers = 128;
    // A bridge has 1,024 ports, so there are hardly more on a host. With all their numbers that is 1 MB.
    static constexpr std::size_t kFiles = 2048;
    static constexpr std::size_t kFolders = 4;  // of at most 300 kB each
    // "ID/config.v2.json"
    using Names = std::shared_ptr<const std::vector<std::string>>;

    static Numbers numbers_in(std::string_view text);
    Names names(const StateFolder& folder, std::int64_t now_ns);

    const StateFiles& files_;
    FileNotes<Numbers> numbers_{kFiles};
    FileNotes<Names> names_{kFolders};
};

}  // namespace bindtrace
