// SPDX-License-Identifier: MIT
#include "enrich/json_parts.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace bindtrace {
namespace {

using Json = nlohmann::json;

TEST(JsonParts, AreWhatAParserFinds) {
    for (const char* text : {
             R"({})",
             R"([])",
             R"( { } )",
             R"([1])",
             R"({"a":1})",
             R"([ 1 , "x" , null , -2.5e3 ])",
             R"({"a" : {"b":[1,2,{"c":"]}"}]} , "d":"x\"}," , "e":[[],[{}]]})",
             R"(["\\","\\\"",{"\"k":"v"}])",
             "{\n\t\"a\": true,\r\n\t\"annotations\": {\"x\": \"y\"}\n}\n",
         }) {
        const Json whole = Json::parse(text);
        const auto parts = json_parts(text);
        ASSERT_TRUE(parts) << text;
        ASSERT_EQ(parts->size(), whole.size()) << text;
        for (std::size_t i = 0; i < parts->size(); ++i) {
            const JsonPart& part = (*parts)[i];
            const Json expected = whole.is_array() ? whole[i] : whole[std::string(part.key)];
            EXPECT_EQ(Json::parse(part.value), expected) << text << " " << part.value;
        }
    }
}

TEST(JsonParts, AreNothingWhereTheTextDoesNotEndAsItBegan) {
    const std::string whole = R"({"a":[1,{"b":"c\"d"}],"e":"f","g":12})";
    ASSERT_TRUE(json_parts(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(json_parts(whole.substr(0, size))) << size;
    for (const char* text : {"7", R"("x")", "null", "[1]]", "[1]x", "[1,]", "[,1]", "[1 2]", R"({"a"})", R"({"a":})",
                             R"({"a":1,})", "{1:2}", R"(["\"])", R"({a:1})", "[}", "]", "}{"})
        EXPECT_FALSE(json_parts(text)) << text;
}

TEST(JsonParts, OfADeepTextTakeNoStack) {
    const std::string deep(1 << 20, '[');
    EXPECT_FALSE(json_parts(deep));
    const auto parts = json_parts(deep + std::string(1 << 20, ']'));
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->size(), 1u);
}

TEST(JsonMember, IsTheLastOfThatName) {
    const std::string text = R"( {"a":1,"b":{"a":2},"a":"3"} )";
    EXPECT_EQ(json_member(text, "a"), R"("3")");
    EXPECT_EQ(json_member(text, "b"), R"({"a":2})");
    EXPECT_EQ(json_member(text, "c"), "");
    EXPECT_EQ(json_member("[1]", ""), std::nullopt);
    EXPECT_EQ(json_member(R"({"a":1)", "a"), std::nullopt);
}

}  // namespace
}  // namespace bindtrace
