// SPDX-License-Identifier: MIT
#include "sink/report_html.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "report_page.h"
#include "sink/report_json.h"
#include "sink/timeline_json.h"

namespace bindtrace {
namespace {

// What a page can show of them, and what its size can bear.
constexpr std::size_t kConflicts = 100;
constexpr std::size_t kHolders = 2;

void cut_to_a_page(Summary& summary) {
    TopList<ConflictGroup>& conflicts = summary.conflicts;
    for (; conflicts.kept.size() > kConflicts; conflicts.kept.pop_back()) {
        ++conflicts.rest.entries;
        conflicts.rest.count += conflicts.kept.back().count;
    }
    for (ConflictGroup& group : conflicts.kept)
        if (group.last.holders.size() > kHolders) group.last.holders.resize(kHolders);
}

// As a Content-Security-Policy names what it allows.
std::string hash_of(std::string_view text) {
    std::array<unsigned char, crypto_hash_sha256_BYTES> hash;
    crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
    std::array<char, sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, sodium_base64_VARIANT_ORIGINAL)> base64;
    sodium_bin2base64(base64.data(), base64.size(), hash.data(), hash.size(), sodium_base64_VARIANT_ORIGINAL);
    return "'sha256-" + std::string(base64.data()) + "'";
}

}  // namespace

void append_page_data(std::string& out, Summary summary, const Drawing& drawing) {
    cut_to_a_page(summary);
    std::string data = "{\"report\":";
    append_report_json(data, summary);
    data += ",\"timeline\":";
    append_timeline_json(data, drawing, summary);
    data += "}";
    // Outside of strings JSON has none.
    for (const char c : data) c == '<' ? out.append("\\u003c") : out.append(1, c);
}

void append_report_html(std::string& out, Summary summary, const Drawing& drawing) {
    const auto fill = [&out](std::string_view& page, std::string_view mark) {
        const std::size_t at = page.find(mark);
        out += page.substr(0, at);
        page.remove_prefix(std::min(page.size(), at + mark.size()));
    };
    std::string_view page = kReportPage;
    fill(page, "@POLICY@");
    out += "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " + hash_of(kReportStyle) +
           "; script-src " + hash_of(kReportScript);
    fill(page, "@STYLE@");
    out += kReportStyle;
    fill(page, "@DATA@");
    append_page_data(out, std::move(summary), drawing);
    fill(page, "@SCRIPT@");
    out += kReportScript;
    out += page;
}

}  // namespace bindtrace
