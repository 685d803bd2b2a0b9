// SPDX-License-Identifier: MIT
// Any bytes into both escapers. What must hold: JSON always parses, and gives valid input back unchanged; text is valid
// UTF-8 without a control character.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "require.h"
#include "sink/escape.h"

using nlohmann::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);

    std::string escaped;
    bindtrace::append_json_string(escaped, bytes);
    const json parsed = json::parse(escaped, nullptr, false);
    require(parsed.is_string());
    require(!has_control(escaped));
    if (is_utf8(bytes)) require(parsed.get_ref<const std::string&>() == bytes);

    std::string text;
    bindtrace::append_text(text, bytes);
    require(!has_control(text));
    require(is_utf8(text));
    return 0;
}
