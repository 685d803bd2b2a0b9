// SPDX-License-Identifier: MIT
// Fallible set-up returns Result<T>; nothing of ours throws. An Error is made at the edge where it was seen and printed
// by main() alone: what was tried, what the system answered, what to do next.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace bindtrace {

struct Error {
    std::string what;
    int code = 0;        // errno, 0 where there is none
    std::string hint{};  // the next step, a sentence; may be empty
};

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
    Result(Error error) : value_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

    explicit operator bool() const { return value_.index() == 0; }
    T& operator*() { return std::get<0>(value_); }
    const T& operator*() const { return std::get<0>(value_); }
    T* operator->() { return &std::get<0>(value_); }
    const T* operator->() const { return &std::get<0>(value_); }
    const Error& error() const { return std::get<1>(value_); }

  private:
    std::variant<T, Error> value_;
};

// For what returns nothing on success.
class [[nodiscard]] Status {
  public:
    Status() = default;
    Status(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

    explicit operator bool() const { return !error_; }
    const Error& error() const { return *error_; }

  private:
    std::optional<Error> error_;
};

}  // namespace bindtrace
