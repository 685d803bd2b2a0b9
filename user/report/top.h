// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "report/summary.h"

namespace bindtrace {

// The most important of any number of entries, by key. A Value has a `count`; of two the one that is_before() the other
// is kept longer.
template <typename Value>
class Top {
  public:
    static constexpr std::size_t kKept = 256;

    // Made where it is not there, with a count of 0. Lives until the next call.
    Value& at(std::string key) {
        if (const auto found = entries_.find(key); found != entries_.end()) return found->second;
        if (entries_.size() >= 2 * kKept) forget();
        return entries_[std::move(key)];
    }

    bool contains(const std::string& key) const { return entries_.contains(key); }
    auto begin() { return entries_.begin(); }
    auto end() { return entries_.end(); }

    TopList<Value> list() const {
        TopList<Value> list{.kept = {}, .rest = rest_};
        for (const auto& [key, value] : entries_) list.kept.push_back(value);
        std::ranges::sort(list.kept, [](const Value& one, const Value& other) { return is_before(one, other); });
        while (list.kept.size() > kKept) {
            ++list.rest.entries;
            list.rest.count += list.kept.back().count;
            list.kept.pop_back();
        }
        return list;
    }

  private:
    // Half of them at once, so that it costs little for each.
    void forget() {
        std::vector<typename std::unordered_map<std::string, Value>::iterator> order;
        order.reserve(entries_.size());
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) order.push_back(entry);
        const auto first_of_rest = order.begin() + kKept;
        std::nth_element(order.begin(), first_of_rest, order.end(),
                         [](const auto& one, const auto& other) { return is_before(one->second, other->second); });
        for (auto entry = first_of_rest; entry != order.end(); ++entry) {
            ++rest_.entries;
            rest_.count += (*entry)->second.count;
            entries_.erase(*entry);
        }
    }

    std::unordered_map<std::string, Value> entries_;
    Rest rest_;
};

}  // namespace bindtrace
