// SPDX-License-Identifier: MIT
#include "kernel/vmlinux_btf.h"

#include <gtest/gtest.h>

#include <vector>

#include "btf_bytes.h"

namespace bindtrace {
namespace {

// BTF with: 1 int, 2 a prototype of two arguments, 3 the function "two", 4 a typedef "btf_trace_x", 5 a function "late"
// whose prototype of one argument comes after it.
std::vector<std::byte> sample() {
    BtfBytes btf;
    btf.type(btf.name("int"), BTF_KIND_INT, 0, 4, {32});
    btf.type(0, BTF_KIND_FUNC_PROTO, 2, 1, {0, 1, 0, 1});
    btf.type(btf.name("two"), BTF_KIND_FUNC, 0, 2);
    btf.type(btf.name("btf_trace_x"), BTF_KIND_TYPEDEF, 0, 1);
    btf.type(btf.name("late"), BTF_KIND_FUNC, 0, 6);
    btf.type(0, BTF_KIND_FUNC_PROTO, 1, 1, {0, 1});
    return btf.bytes();
}

TEST(VmlinuxBtf, FindsFunctionsWithTheirArity) {
    const auto btf = VmlinuxBtf::parse(sample(), {"two", "late", "btf_trace_x", "none"});
    ASSERT_TRUE(btf);
    EXPECT_EQ(btf->function("two")->id, 3u);
    EXPECT_EQ(btf->function("two")->arity, 2);
    EXPECT_EQ(btf->function("late")->arity, 1);
    EXPECT_EQ(btf->type_definition("btf_trace_x")->id, 4u);
    EXPECT_FALSE(btf->function("none"));
    EXPECT_FALSE(btf->function("btf_trace_x"));
}

TEST(VmlinuxBtf, KeepsOnlyWhatWasAskedFor) {
    const auto btf = VmlinuxBtf::parse(sample(), {"two"});
    ASSERT_TRUE(btf);
    EXPECT_FALSE(btf->function("late"));
}

TEST(VmlinuxBtf, RefusesWhatIsCutAnywhere) {
    const auto whole = sample();
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(VmlinuxBtf::parse({whole.data(), length}, {"two"})) << length;
}

TEST(VmlinuxBtf, SurvivesEveryByteChanged) {
    for (std::size_t at = 0; at < sample().size(); ++at) {
        auto bytes = sample();
        bytes[at] ^= std::byte{0xff};
        VmlinuxBtf::parse(bytes, {"two", "late"});  // under the sanitizers: no read outside
    }
}

TEST(VmlinuxBtf, AKernelWithoutBtfIsNoError) {
    EXPECT_FALSE(VmlinuxBtf::read({"two"}, "/nonexistent"));
}

}  // namespace
}  // namespace bindtrace
