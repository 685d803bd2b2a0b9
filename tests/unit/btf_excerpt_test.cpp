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

std::map<std::string, std::uint32_t> named(const BtfReader& btf) {
    std::map<std::string, std::uint32_t> found;
    for (std::uint32_t id = 1; id <= btf.last_id(); ++id)
        if (const std::uint32_t name = btf.type(id).name_off; name != 0) found[std::string(btf.name(name))] = id;
    return found;
}

// Of the sample: as bytes, since a reader does not own them.
std::vector<std::byte> excerpt(const TypeNames& names) {
    const auto whole = sample();
    return btf_excerpt(BtfReader::open(whole).value(), names);
}

TEST(BtfExcerpt, KeepsWhatIsInsideAndNotWhatIsPointedTo) {
    const auto bytes = excerpt({"outer"});
    const auto btf = BtfReader::open(bytes);
    ASSERT_TRUE(btf);
    const auto types = named(*btf);
    for (const char* name : {"outer", "inner_t", "inner", "int"}) EXPECT_TRUE(types.contains(name)) << name;
    for (const char* name : {"far", "colour", "other"}) EXPECT_FALSE(types.contains(name)) << name;

    const std::uint32_t outer = types.at("outer");
    EXPECT_EQ(btf->type(outer).size, 16u);
    ASSERT_EQ(BTF_INFO_VLEN(btf->type(outer).info), 2u);
    EXPECT_EQ(btf->name(btf->part<btf_member>(outer, 0).name_off), "i");
    EXPECT_EQ(btf->part<btf_member>(outer, 0).type, types.at("inner_t"));
    EXPECT_EQ(btf->name(btf->part<btf_member>(outer, 1).name_off), "p");
    EXPECT_EQ(btf->part<btf_member>(outer, 1).offset, 64u);
    EXPECT_EQ(btf->type(types.at("inner_t")).type, types.at("inner"));
}

TEST(BtfExcerpt, FollowsArraysAndKeepsTheNamesOfEnums) {
    const auto bytes = excerpt({"other", "colour", "none"});
    const auto btf = BtfReader::open(bytes);
    ASSERT_TRUE(btf);
    const auto types = named(*btf);
    EXPECT_TRUE(types.contains("outer"));
    const auto red = btf->part<btf_enum>(types.at("colour"), 0);
    EXPECT_EQ(btf->name(red.name_off), "red");
    EXPECT_EQ(red.val, 7);
}

TEST(BtfExcerpt, OfNothingIsEmptyAndValid) {
    const auto bytes = excerpt({});
    const auto btf = BtfReader::open(bytes);
    ASSERT_TRUE(btf);
    EXPECT_TRUE(named(*btf).empty());
}

TEST(BtfExcerpt, RefusesWhatIsCutAndSurvivesWhatIsChanged) {
    const auto whole = sample();
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(BtfReader::open({whole.data(), length})) << length;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto bytes = whole;
        bytes[at] ^= std::byte{0xff};
        // Under the sanitizers: no read outside.
        if (const auto btf = BtfReader::open(bytes)) btf_excerpt(*btf, {"outer", "other", "colour"});
    }
}

}  // namespace
}  // namespace bindtrace
