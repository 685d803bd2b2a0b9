// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace bindtrace {

// What happened one after the other, in no more than kMost entries: where there is more, what is short and lies close
// together becomes one entry, of those alike first. "Close" is within a step, which is doubled where that is not
// enough.
//
// An Item has first_ns, last_ns, is_like(other) and absorb(other).
template <typename Item, std::size_t kMost>
class Condensed {
  public:
    void add(Item item) {
        if (step_ns_ != 0 && is_next_to_last(item)) return items_.back().absorb(std::move(item));
        items_.push_back(std::move(item));
        if (items_.size() > kMost) condense();
    }

    const std::vector<Item>& items() const { return items_; }

  private:
    static constexpr std::int64_t kFirstStepNs = 1'000'000;
    static constexpr std::size_t kPerStep = 2;  // different ones

    bool is_short(const Item& item) const { return item.last_ns - item.first_ns <= step_ns_; }
    std::int64_t step_of(const Item& item) const { return item.first_ns / step_ns_; }
    bool is_next_to_last(const Item& item) const {
        return !items_.empty() && is_short(item) && is_short(items_.back()) &&
               step_of(item) == step_of(items_.back()) && items_.back().is_like(item);
    }

    // Ends, since a step gets longer than all there is.
    void condense() {
        std::ranges::stable_sort(items_, {}, &Item::first_ns);
        for (step_ns_ = std::max(kFirstStepNs, step_ns_);; step_ns_ *= 2) {
            std::vector<Item> kept, shorts;  // those of one step
            const auto next_step = [&kept, &shorts] {
                std::ranges::move(shorts, std::back_inserter(kept));
                shorts.clear();
            };
            for (Item& item : items_) {
                if (!shorts.empty() && step_of(item) != step_of(shorts.front())) next_step();
                if (!is_short(item)) {
                    kept.push_back(std::move(item));
                    continue;
                }
                auto alike = std::ranges::find_if(shorts, [&item](const Item& one) { return one.is_like(item); });
                if (alike == shorts.end() && shorts.size() < kPerStep)
                    shorts.push_back(std::move(item));
                else
                    (alike != shorts.end() ? *alike : shorts.back()).absorb(std::move(item));
            }
            next_step();
            items_ = std::move(kept);
            if (items_.size() <= kMost * 3 / 4) return;
        }
    }

    std::vector<Item> items_;
    std::int64_t step_ns_ = 0;
};

}  // namespace bindtrace
