// SPDX-License-Identifier: MIT
#include "enrich/json_parts.h"

#include <algorithm>
#include <cstddef>

namespace bindtrace {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// What is left of a text.
class Rest {
  public:
    explicit Rest(std::string_view text) : text_(text) {}

    void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(kSpace), text_.size())); }
    bool empty() const { return text_.empty(); }
    bool take(char wanted) {
        if (text_.empty() || text_.front() != wanted) return false;
        text_.remove_prefix(1);
        return true;
    }

    // With its quotes.
    std::optional<std::string_view> take_string() {
        if (text_.empty() || text_.front() != '"') return std::nullopt;
        const std::size_t end = end_of_string(0);
        return end == 0 ? std::nullopt : std::optional(take_until(end));
    }

    std::optional<std::string_view> take_value() {
        if (text_.empty()) return std::nullopt;
        if (text_.front() == '"') return take_string();
        if (text_.front() == '{' || text_.front() == '[') return take_nested();
        const std::size_t end = std::min(text_.find_first_of(",]} \t\r\n"), text_.size());
        return end == 0 ? std::nullopt : std::optional(take_until(end));
    }

  private:
    std::string_view take_until(std::size_t end) {
        const std::string_view taken = text_.substr(0, end);
        text_.remove_prefix(end);
        return taken;
    }

    // Behind the closing quote; 0 where there is none.
    std::size_t end_of_string(std::size_t begin) const {
        std::size_t at = begin;
        while ((at = text_.find('"', at + 1)) != std::string_view::npos) {
            std::size_t escapes = 0;
            while (text_[at - 1 - escapes] == '\\') ++escapes;
            if (escapes % 2 == 0) return at + 1;
        }
        return 0;
    }

    // Whether a bracket is closed by its like is for the parser to see.
    std::optional<std::string_view> take_nested() {
        std::size_t depth = 0;
        for (std::size_t at = 0; at < text_.size(); ++at) {
            switch (text_[at]) {
                case '"':
                    at = end_of_string(at);
                    if (at == 0) return std::nullopt;
                    --at;
                    break;
                case '{':
                case '[':
                    ++depth;
                    break;
                case '}':
                case ']':
                    if (--depth == 0) return take_until(at + 1);
                    break;
                default:
                    break;
            }
        }
        return std::nullopt;
    }

    std::string_view text_;
};

std::optional<JsonPart> take_part(Rest& rest, bool in_object) {
    JsonPart part;
    if (in_object) {
        const auto key = rest.take_string();
        if (!key) return std::nullopt;
        part.key = key->substr(1, key->size() - 2);
        rest.skip_space();
        if (!rest.take(':')) return std::nullopt;
        rest.skip_space();
    }
    const auto value = rest.take_value();
    if (!value) return std::nullopt;
    part.value = *value;
    rest.skip_space();
    return part;
}

}  // namespace

std::optional<std::vector<JsonPart>> json_parts(std::string_view text) {
    Rest rest(text);
    rest.skip_space();
    const bool in_object = rest.take('{');
    if (!in_object && !rest.take('[')) return std::nullopt;
    const char closing = in_object ? '}' : ']';
    std::vector<JsonPart> parts;
    rest.skip_space();
    bool closed = rest.take(closing);
    while (!closed) {
        auto part = take_part(rest, in_object);
        if (!part) return std::nullopt;
        parts.push_back(*part);
        closed = rest.take(closing);
        if (!closed && !rest.take(',')) return std::nullopt;
        if (!closed) rest.skip_space();
    }
    rest.skip_space();
    return rest.empty() ? std::optional(std::move(parts)) : std::nullopt;
}

std::optional<std::string_view> json_value(std::string_view text) {
    return Rest(text).take_value();
}

std::optional<std::string_view> json_member(std::string_view text, std::string_view key) {
    const auto parts = json_parts(text);
    if (!parts || !text.substr(text.find_first_not_of(kSpace)).starts_with('{')) return std::nullopt;
    const auto found =
        std::find_if(parts->rbegin(), parts->rend(), [&](const JsonPart& part) { return part.key == key; });
    return found == parts->rend() ? std::string_view() : found->value;
}

}  // namespace bindtrace
