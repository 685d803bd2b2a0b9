// SPDX-License-Identifier: MIT
// Writes protocol buffers' wire format: just what a trace needs, which is too little to have a schema compiled for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bindtrace {

class ProtoMessage {
  public:
    void number(std::uint32_t field, std::uint64_t value) {
        varint(field << 3);
        varint(value);
    }
    void bytes(std::uint32_t field, std::string_view value) {
        varint(field << 3 | 2);
        varint(value.size());
        bytes_ += value;
    }
    void message(std::uint32_t field, const ProtoMessage& value) { bytes(field, value.bytes_); }

    const std::string& serialized() const { return bytes_; }

  private:
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
        bytes_ += static_cast<char>(value);
    }

    std::string bytes_;
};

}  // namespace bindtrace
