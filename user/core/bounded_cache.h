// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

namespace bindtrace {

// A map of at most `capacity` entries that forgets the least recently used. Values stay where they are until forgotten,
// and the one returned last is never the next to go.
template <typename Key, typename Value, typename Hash = std::hash<Key>>
class BoundedCache {
  public:
    explicit BoundedCache(std::size_t capacity) : capacity_(capacity) {}

    Value* find(const Key& key) {
        const auto found = index_.find(key);
        if (found == index_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->second;
    }

    Value& insert(const Key& key, Value value) {
        if (Value* present = find(key)) return *present = std::move(value);
        if (entries_.size() >= capacity_) {
            index_.erase(entries_.back().first);
            entries_.pop_back();
        }
        entries_.emplace_front(key, std::move(value));
        index_[key] = entries_.begin();
        return entries_.front().second;
    }

    std::size_t size() const { return entries_.size(); }

  private:
    std::size_t capacity_;
    std::list<std::pair<Key, Value>> entries_;  // most recently used first
    std::unordered_map<Key, typename std::list<std::pair<Key, Value>>::iterator, Hash> index_;
};

}  // namespace bindtrace
