// SPDX-License-Identifier: MIT
#include "kernel_tracer.h"

#include <csignal>

namespace bindtrace {

Tracer::Tracer(const std::string& binary, const std::string& strategy)
    : process_({binary, "trace", "--json", "--attach", strategy, "--events", "bind,listen,autobind,state,release"}),
      reader_([this] { read(); }) {}

Tracer::~Tracer() {
    process_.signal(SIGKILL);
    reader_.join();
}

void Tracer::read() {
    while (const auto line = process_.read_line()) {
        Json record = Json::parse(*line, nullptr, false);
        const std::lock_guard lock(mutex_);
        if (record.is_object()) {
            records_.push_back(std::make_unique<const Json>(std::move(record)));
        } else {
            bad_lines_.push_back(*line);
        }
        more_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    more_.notify_all();
}

bool Tracer::follow(std::size_t& next, const std::function<bool(const Json&)>& look, Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    for (;;) {
        while (next < records_.size()) {
            const Json& record = *records_[next++];  // never moves, never changes
            lock.unlock();
            if (look(record)) return true;
            lock.lock();
        }
        if (ended_) return false;
        if (!more_.wait_until(lock, deadline, [&] { return next < records_.size() || ended_; })) return false;
    }
}

std::size_t Tracer::count() {
    const std::lock_guard lock(mutex_);
    return records_.size();
}

std::vector<Json> Tracer::all() {
    const std::lock_guard lock(mutex_);
    std::vector<Json> copies;
    for (const auto& record : records_) copies.push_back(*record);
    return copies;
}

std::vector<std::string> Tracer::bad_lines() {
    const std::lock_guard lock(mutex_);
    return bad_lines_;
}

bool Tracer::ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
}

std::optional<int> Tracer::stop(std::chrono::milliseconds deadline) {
    process_.signal(SIGTERM);
    return process_.wait(deadline);
}

}  // namespace bindtrace
