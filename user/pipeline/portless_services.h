// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/conflict.h"
#include "model/record.h"
#include "model/warning.h"

namespace bindtrace {

// Services that run on without a port they were refused, as a Tomcat does: systemd calls them active, and nobody is
// told. So each is looked at a while after the refusal. Whoever filters must let all binds of a unit through.
class PortlessServices {
  public:
    using IsAlive = std::function<bool(const bt_process_key&)>;
    explicit PortlessServices(IsAlive is_alive) : is_alive_(std::move(is_alive)) {}

    void refused(const Event& event, const Context& context, const std::vector<Holder>& holders);
    // Any event that is no failure: the unit may have got the port after all.
    void succeeded(const Event& event, const Context& context);

    // Each second, by the boot-time clock. One that has stayed so, without the time in UTC; once for each process and
    // port.
    std::optional<Warning> look(std::uint64_t now_ns);

  private:
    static constexpr std::size_t kWatched = 64;

    struct Watched {
        Event event;
        Holder claim;
        std::string unit;
        bool told = false;
    };

    IsAlive is_alive_;
    std::vector<Watched> watched_;
};

}  // namespace bindtrace
