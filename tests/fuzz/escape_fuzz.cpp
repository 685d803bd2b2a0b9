// SPDX-License-Identifier: MIT
// Any bytes into both escapers. What must hold: JSON always parses, and gives valid input back unchanged; text is valid
// UTF-8 without a control character.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sink/escape.h"

namespace {

using nlohmann::json;

void require(bool holds) {
    if (!holds) std::abort();
}

bool is_utf8(const std::string& bytes) {
    try {
        static_cast<void>(json(bytes).dump());
        return true;
    } catch (const json::exception&) {
        return false;
    }
}

bool has_control(std::string_view utf8) {
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if (byte < 0x20 || byte == 0x7f) return true;
        if (byte == 0xc2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xa0) return true;
    }
    return false;
}

}  // namespace

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
