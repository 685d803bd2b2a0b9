// SPDX-License-Identifier: MIT
#include "capture/block.h"

#include <xxhash.h>
#include <zstd.h>

#include <cstring>

namespace bindtrace {
namespace {

constexpr int kLevel = 3;
constexpr std::size_t kSummed = kBlockHeaderBytes - sizeof(std::uint32_t);  // the checksum itself comes last

template <typename Number>
void put(char*& at, Number value) {
    for (std::size_t i = 0; i < sizeof(value); ++i) *at++ = static_cast<char>(value >> (8 * i));
}

template <typename Number>
Number get(const char*& at) {
    Number value = 0;
    for (std::size_t i = 0; i < sizeof(value); ++i)
        value = static_cast<Number>(value | static_cast<Number>(static_cast<std::uint8_t>(*at++)) << (8 * i));
    return value;
}

std::uint64_t sum_of(std::string_view bytes) {
    return XXH64(bytes.data(), bytes.size(), 0);
}

std::uint32_t header_sum(const char* header) {
    return static_cast<std::uint32_t>(sum_of({header, kSummed}));
}

}  // namespace

std::array<char, kBlockHeaderBytes> pack_header(const BlockHeader& header) {
    std::array<char, kBlockHeaderBytes> bytes{};
    char* at = bytes.data();
    std::memcpy(at, kCaptureMagic.data(), kCaptureMagic.size());
    at += kCaptureMagic.size();
    put(at, header.major);
    put(at, header.minor);
    put(at, static_cast<std::uint8_t>(header.kind));
    put(at, static_cast<std::uint8_t>(header.compression));
    put(at, header.sequence);
    put(at, header.recording);
    put(at, header.first_ns);
    put(at, header.last_ns);
    put(at, header.payload_sum);
    put(at, header.stored_bytes);
    put(at, header.raw_bytes);
    put(at, header.records);
    put(at, header_sum(bytes.data()));
    return bytes;
}

std::optional<BlockHeader> unpack_header(std::string_view bytes) {
    if (bytes.size() < kBlockHeaderBytes || !bytes.starts_with(kCaptureMagic)) return std::nullopt;
    const char* at = bytes.data() + kCaptureMagic.size();
    BlockHeader header;
    header.major = get<std::uint8_t>(at);
    header.minor = get<std::uint8_t>(at);
    header.kind = static_cast<BlockKind>(get<std::uint8_t>(at));
    header.compression = static_cast<Compression>(get<std::uint8_t>(at));
    header.sequence = get<std::uint32_t>(at);
    header.recording = get<std::uint64_t>(at);
    header.first_ns = get<std::uint64_t>(at);
    header.last_ns = get<std::uint64_t>(at);
    header.payload_sum = get<std::uint64_t>(at);
    header.stored_bytes = get<std::uint32_t>(at);
    header.raw_bytes = get<std::uint32_t>(at);
    header.records = get<std::uint32_t>(at);
    if (get<std::uint32_t>(at) != header_sum(bytes.data())) return std::nullopt;
    if (header.stored_bytes > kBlockLimit || header.raw_bytes > kBlockLimit) return std::nullopt;
    return header;
}

BlockPacker::BlockPacker() : zstd_(ZSTD_createCCtx()) {}

BlockPacker::~BlockPacker() {
    ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(zstd_));
}

std::string_view BlockPacker::pack(BlockHeader header, std::string_view records) {
    packed_.resize(kBlockHeaderBytes + ZSTD_compressBound(records.size()));
    char* const payload = packed_.data() + kBlockHeaderBytes;
    std::size_t stored = ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(zstd_), payload, packed_.size() - kBlockHeaderBytes,
                                           records.data(), records.size(), kLevel);
    header.compression = Compression::zstd;
    if (ZSTD_isError(stored) != 0 || stored >= records.size()) {
        records.copy(payload, records.size());
        stored = records.size();
        header.compression = Compression::none;
    }
    header.stored_bytes = static_cast<std::uint32_t>(stored);
    header.raw_bytes = static_cast<std::uint32_t>(records.size());
    header.payload_sum = sum_of({payload, stored});
    const auto head = pack_header(header);
    std::memcpy(packed_.data(), head.data(), head.size());
    return {packed_.data(), kBlockHeaderBytes + stored};
}

BlockUnpacker::BlockUnpacker() : zstd_(ZSTD_createDCtx()) {}

BlockUnpacker::~BlockUnpacker() {
    ZSTD_freeDCtx(static_cast<ZSTD_DCtx*>(zstd_));
}

bool BlockUnpacker::is_intact(const BlockHeader& header, std::string_view stored) {
    return stored.size() == header.stored_bytes && sum_of(stored) == header.payload_sum;
}

std::optional<std::string_view> BlockUnpacker::unpack(const BlockHeader& header, std::string_view stored) {
    if (header.compression == Compression::none) {
        if (header.raw_bytes != stored.size()) return std::nullopt;
        return stored;
    }
    if (header.compression != Compression::zstd) return std::nullopt;
    raw_.resize(header.raw_bytes);
    const std::size_t raw =
        ZSTD_decompressDCtx(static_cast<ZSTD_DCtx*>(zstd_), raw_.data(), raw_.size(), stored.data(), stored.size());
    if (ZSTD_isError(raw) != 0 || raw != header.raw_bytes) return std::nullopt;
    return raw_;
}

}  // namespace bindtrace
