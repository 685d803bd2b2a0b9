// SPDX-License-Identifier: MIT
#include "kernel/btf_reader.h"

namespace bindtrace {

std::optional<BtfReader> BtfReader::open(std::span<const std::byte> bytes) {
    btf_header header{};
    if (bytes.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.magic != BTF_MAGIC || header.hdr_len > bytes.size()) return std::nullopt;
    const std::span<const std::byte> body = bytes.subspan(header.hdr_len);
    const auto inside = [&](std::uint64_t offset, std::uint64_t length) { return offset + length <= body.size(); };
    if (!inside(header.type_off, header.type_len) || !inside(header.str_off, header.str_len)) return std::nullopt;
    const std::string_view strings(reinterpret_cast<const char*>(body.data()) + header.str_off, header.str_len);
    if (strings.empty() || strings.back() != '\0') return std::nullopt;
    return BtfReader(body.subspan(header.type_off, header.type_len), strings);
}

}  // namespace bindtrace
