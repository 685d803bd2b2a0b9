// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "provoke_story.h"
#include "provoke_world.h"

namespace bindtrace {

using Factors = std::vector<std::string>;

inline Expectation& verdict(Expectation& line, const char* cause, const Factors& factors = {}) {
    Json& conflict = line.event["conflict"];
    conflict["cause"] = cause;
    if (!factors.empty()) conflict["factors"] = {{"has", factors}};
    return line;
}

// `holder`: what is certain about the first one.
inline Expectation& verdict(Expectation& line, const char* cause, const Factors& factors, const Json& holder) {
    verdict(line, cause, factors).event["conflict"]["holders"] = {{"first", holder}};
    return line;
}

// Advice that is the same wherever the case runs.
inline constexpr const char* kSetReuseaddr = "set SO_REUSEADDR on the socket before bind: the holder's has it already";
inline constexpr const char* kSetReuseport =
    "to share the port, set SO_REUSEPORT on this socket too, as the holder's does";
inline constexpr const char* kSetV6only =
    "set IPV6_V6ONLY on the IPv6 socket before bind, so that each family has its own";
inline constexpr const char* kBindOnce =
    "the process has this port open already: let it bind once, or close the first socket";

// Somebody else who takes a port and keeps it until told otherwise.
class OtherProcess {
  public:
    explicit OtherProcess(const std::function<void(Story&, const std::function<void()>&)>& body)
        : child_([&](Story& told) {
              body(told, [&] {
                  ready_.open();
                  end_.wait();
              });
          }) {
        ready_.wait();
    }

    pid_t pid() const { return child_.pid(); }
    void end() {
        let_it_look();
        end_.open();
        child_.join();
    }

  private:
    Gate ready_;
    Gate end_;
    Child child_;
};

}  // namespace bindtrace
