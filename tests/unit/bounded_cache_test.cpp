// SPDX-License-Identifier: MIT
#include "core/bounded_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace bindtrace {
namespace {

using Cache = BoundedCache<int, std::string>;

TEST(BoundedCache, FindsWhatWasInserted) {
    Cache cache(3);
    EXPECT_EQ(cache.find(1), nullptr);
    EXPECT_EQ(cache.insert(1, "one"), "one");
    ASSERT_NE(cache.find(1), nullptr);
    EXPECT_EQ(*cache.find(1), "one");
    EXPECT_EQ(cache.find(2), nullptr);
    EXPECT_EQ(cache.size(), 1u);
}

TEST(BoundedCache, ForgetsTheLeastRecentlyInserted) {
    Cache cache(3);
    for (int i = 0; i < 5; ++i) cache.insert(i, std::to_string(i));
    EXPECT_EQ(cache.size(), 3u);
    EXPECT_EQ(cache.find(0), nullptr);
    EXPECT_EQ(cache.find(1), nullptr);
    for (int i = 2; i < 5; ++i) {
        ASSERT_NE(cache.find(i), nullptr) << i;
        EXPECT_EQ(*cache.find(i), std::to_string(i));
    }
}

TEST(BoundedCache, FindingIsAUse) {
    Cache cache(3);
    for (int i = 0; i < 3; ++i) cache.insert(i, std::to_string(i));
    cache.find(0);
    cache.insert(3, "3");
    EXPECT_NE(cache.find(0), nullptr);
    EXPECT_EQ(cache.find(1), nullptr);
}

TEST(BoundedCache, ReplacingIsAUseAndTakesNoRoom) {
    Cache cache(2);
    cache.insert(1, "oldest");
    cache.insert(1, "old");
    EXPECT_EQ(cache.size(), 1u);
    cache.insert(2, "two");
    EXPECT_EQ(cache.insert(1, "new"), "new");
    EXPECT_EQ(cache.size(), 2u);
    cache.insert(3, "three");
    EXPECT_EQ(cache.find(2), nullptr);
    ASSERT_NE(cache.find(1), nullptr);
    EXPECT_EQ(*cache.find(1), "new");
}

// The enricher holds what one look-up gave while it makes the next.
TEST(BoundedCache, ValuesStayWhereTheyAreUntilForgotten) {
    Cache cache(100);
    const std::string* first = &cache.insert(0, "kept");
    for (int i = 1; i < 100; ++i) cache.insert(i, "x");
    EXPECT_EQ(cache.find(0), first);
    EXPECT_EQ(*first, "kept");
    cache.insert(100, "x");  // forgets 1, not the 0 that was just found
    EXPECT_EQ(cache.find(0), first);
    EXPECT_EQ(*first, "kept");
}

TEST(BoundedCache, LetsGoOfWhatItForgets) {
    BoundedCache<int, std::shared_ptr<int>> cache(1);
    const auto value = std::make_shared<int>(7);
    cache.insert(1, value);
    EXPECT_EQ(value.use_count(), 2);
    cache.insert(2, nullptr);
    EXPECT_EQ(value.use_count(), 1);
}

struct SameBucket {
    std::size_t operator()(int) const { return 1; }
};

TEST(BoundedCache, TellsKeysOfTheSameHashApart) {
    BoundedCache<int, int, SameBucket> cache(50);
    for (int i = 0; i < 60; ++i) cache.insert(i, i * i);
    EXPECT_EQ(cache.size(), 50u);
    EXPECT_EQ(cache.find(9), nullptr);
    for (int i = 10; i < 60; ++i) {
        ASSERT_NE(cache.find(i), nullptr) << i;
        EXPECT_EQ(*cache.find(i), i * i);
    }
}

}  // namespace
}  // namespace bindtrace
