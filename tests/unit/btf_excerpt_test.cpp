// SPDX-License-Identifier: MIT
#include "kernel/btf_excerpt.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "btf_bytes.h"
#include "kernel/btf_reader.h"

namespace bindtrace {
namespace {

// 1 int, 2 struct inner {int a}, 3 struct far {int b}, 4 pointer to far, 5 typedef inner_t of 2,
// 6 struct outer {inner_t i; struct far *p}, 7 enum colour {red}, 8 array of 6, 9 struct other {outer[2] o}
std::vector<std::byte> sample() {
    BtfBytes btf;
    btf.type(btf.name("int"), BTF_KIND_INT, 0, 4, {32});
    btf.type(btf.name("inner"), BTF_KIND_STRUCT, 1, 4, {btf.name("a"), 1, 0});
    btf.type(btf.name("far"), BTF_KIND_STRUCT, 1, 4, {btf.name("b"), 1, 0});
    btf.type(0, BTF_KIND_PTR, 0, 3);
    btf.type(btf.name("inner_t"), BTF_KIND_TYPEDEF, 0, 2);
    btf.type(btf.name("outer"), BTF_KIND_STRUCT, 2, 16, {btf.name("i"), 5, 0, btf.name("p"), 4, 64});
    btf.type(btf.name("colour"), BTF_KIND_ENUM, 1, 4, {btf.name("red"), 7});
    btf.type(0, BTF_KIND_ARRAY, 0, 0, {6, 1, 2});
    btf.type(btf.name("other"), BTF_KIND_STRUCT, 1, 32, {btf.name("o"), 8, 0});
    return btf.bytes();
}

struct Found {
    std::uint32_t id;
    std::size_t offset;
    btf_type type;
};

std::map<std::string, Found> named(const BtfReader& btf) {
    std::map<std::string, Found> found;
    std::uint32_t id = 0;
    EXPECT_TRUE(btf.for_each([&](std::size_t offset, const btf_type& type) {
        ++id;
        if (type.name_off != 0) found[std::string(btf.name(type.name_off))] = {id, offset, type};
    }));
    return found;
}

TEST(BtfExcerpt, KeepsWhatIsInsideAndNotWhatIsPointedTo) {
    const auto bytes = btf_excerpt(sample(), {"outer"});
    ASSERT_TRUE(bytes);
    const auto btf = BtfReader::open(*bytes);
    ASSERT_TRUE(btf);
    const auto types = named(*btf);
    for (const char* name : {"outer", "inner_t", "inner", "int"}) EXPECT_TRUE(types.contains(name)) << name;
    for (const char* name : {"far", "colour", "other"}) EXPECT_FALSE(types.contains(name)) << name;

    const Found& outer = types.at("outer");
    EXPECT_EQ(outer.type.size, 16u);
    ASSERT_EQ(BTF_INFO_VLEN(outer.type.info), 2u);
    const auto first = btf->at<btf_member>(outer.offset + sizeof(btf_type));
    const auto second = btf->at<btf_member>(outer.offset + sizeof(btf_type) + sizeof(btf_member));
    EXPECT_EQ(btf->name(first.name_off), "i");
    EXPECT_EQ(first.type, types.at("inner_t").id);
    EXPECT_EQ(btf->name(second.name_off), "p");
    EXPECT_EQ(second.offset, 64u);
    EXPECT_EQ(types.at("inner_t").type.type, types.at("inner").id);
}

TEST(BtfExcerpt, FollowsArraysAndKeepsTheNamesOfEnums) {
    const auto bytes = btf_excerpt(sample(), {"other", "colour", "none"});
    ASSERT_TRUE(bytes);
    const auto btf = BtfReader::open(*bytes);
    ASSERT_TRUE(btf);
    const auto types = named(*btf);
    EXPECT_TRUE(types.contains("outer"));
    const auto red = btf->at<btf_enum>(types.at("colour").offset + sizeof(btf_type));
    EXPECT_EQ(btf->name(red.name_off), "red");
    EXPECT_EQ(red.val, 7);
}

TEST(BtfExcerpt, OfNothingIsEmptyAndValid) {
    const auto bytes = btf_excerpt(sample(), {});
    ASSERT_TRUE(bytes);
    const auto btf = BtfReader::open(*bytes);
    ASSERT_TRUE(btf);
    EXPECT_TRUE(named(*btf).empty());
}

TEST(BtfExcerpt, RefusesWhatIsCutAndSurvivesWhatIsChanged) {
    const auto whole = sample();
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(btf_excerpt({whole.data(), length}, {"outer"})) << length;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto bytes = whole;
        bytes[at] ^= std::byte{0xff};
        btf_excerpt(bytes, {"outer", "other", "colour"});  // under the sanitizers: no read outside
    }
}

}  // namespace
}  // namespace bindtrace
