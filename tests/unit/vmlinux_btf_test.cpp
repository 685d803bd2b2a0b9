// SPDX-License-Identifier: MIT
#include "kernel/vmlinux_btf.h"

#include <gtest/gtest.h>
#include <linux/btf.h>

#include <cstring>
#include <string>
#include <vector>

namespace bindtrace {
namespace {

// BTF with: 1 int, 2 a prototype of two arguments, 3 the function "two", 4 a typedef "btf_trace_x", 5 a function "late"
// whose prototype of one argument comes after it.
std::vector<std::byte> sample() {
    const std::string strings("\0int\0two\0btf_trace_x\0late\0", 26);
    std::vector<std::uint32_t> types;
    const auto type = [&](std::uint32_t name, std::uint32_t kind, std::uint32_t count, std::uint32_t ref,
                          std::vector<std::uint32_t> extra) {
        types.insert(types.end(), {name, kind << 24 | count, ref});
        types.insert(types.end(), extra.begin(), extra.end());
    };
    type(1, BTF_KIND_INT, 0, 4, {32});
    type(0, BTF_KIND_FUNC_PROTO, 2, 1, {0, 1, 0, 1});
    type(5, BTF_KIND_FUNC, 0, 2, {});
    type(9, BTF_KIND_TYPEDEF, 0, 1, {});
    type(21, BTF_KIND_FUNC, 0, 6, {});
    type(0, BTF_KIND_FUNC_PROTO, 1, 1, {0, 1});
    btf_header header{};
    header.magic = BTF_MAGIC;
    header.version = 1;
    header.hdr_len = sizeof(header);
    header.type_len = static_cast<std::uint32_t>(types.size() * 4);
    header.str_off = header.type_len;
    header.str_len = static_cast<std::uint32_t>(strings.size());
    std::vector<std::byte> bytes(sizeof(header) + header.type_len + strings.size());
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + sizeof(header), types.data(), header.type_len);
    std::memcpy(bytes.data() + sizeof(header) + header.type_len, strings.data(), strings.size());
    return bytes;
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
