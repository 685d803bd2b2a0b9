// SPDX-License-Identifier: MIT
// bindtrace run for one question, or started late; beside the one that watches all the time.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernel_process.h"
#include "kernel_socket.h"

namespace bindtrace {

using Json = nlohmann::json;

inline std::string from_environment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : otherwise;
}

struct Answer {
    int code = -1;
    std::vector<Json> holders;
    std::string text;
    std::string errors;
};

inline Answer who(std::vector<std::string> words) {
    words.insert(words.begin(), {from_environment("BINDTRACE", "build/bindtrace"), "who"});
    ChildProcess process(words);
    Answer answer;
    while (const auto line = process.read_line()) {
        answer.text += *line + "\n";
        answer.holders.push_back(Json::parse(*line, nullptr, false));
    }
    answer.code = process.wait(std::chrono::seconds(120)).value_or(-1);
    answer.errors = process.errors();
    return answer;
}

// Sees only the failures of this process.
class LateTracer {
  public:
    explicit LateTracer(const std::vector<std::string>& filters = {}) : process_(command(filters)) {
        const auto meta = process_.read_line();
        attached_ = meta && Json::parse(*meta, nullptr, false)["type"] == "meta";
    }
    ~LateTracer() {
        process_.signal(SIGINT);
        process_.wait(std::chrono::seconds(60));
    }
    LateTracer(const LateTracer&) = delete;
    LateTracer& operator=(const LateTracer&) = delete;

    bool attached() const { return attached_; }
    pid_t pid() const { return process_.pid(); }

    // What is said of a socket that wants this port and does not get it.
    Json verdict_on(std::uint16_t port, int type = SOCK_STREAM) { return verdict_on(port, Socket(type)); }
    Json verdict_on(std::uint16_t port, const Socket& late) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        return verdict_on(late, address);
    }
    template <typename Address>
    Json verdict_on(const Socket& late, const Address& address, int error = EADDRINUSE) {
        const std::uint16_t port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
        const bool refused =
            ::bind(late.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == -1 && errno == error;
        EXPECT_TRUE(refused) << port;
        if (!refused) return Json::object();
        const auto line = process_.read_line();
        if (!line) {
            process_.wait(std::chrono::seconds(5));
            ADD_FAILURE() << "it has ended: " << process_.errors();
            return Json::object();
        }
        Json event = Json::parse(*line, nullptr, false);
        EXPECT_EQ(event["port"], port);
        return event["conflict"];
    }

  private:
    static std::vector<std::string> command(const std::vector<std::string>& filters) {
        std::vector<std::string> words = {from_environment("BINDTRACE", "build/bindtrace"),
                                          "--json",
                                          "--failed",
                                          "--pid",
                                          std::to_string(getpid()),
                                          "--attach",
                                          from_environment("BT_STRATEGY", "auto")};
        words.insert(words.end(), filters.begin(), filters.end());
        return words;
    }

    ChildProcess process_;
    bool attached_ = false;
};

}  // namespace bindtrace
