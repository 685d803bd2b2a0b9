// SPDX-License-Identifier: MIT
#pragma once

#include <linux/btf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace bindtrace {

// BTF put together type by type, and string by string.
class BtfBytes {
  public:
    // The offset of a name.
    std::uint32_t name(const std::string& word) {
        const auto offset = static_cast<std::uint32_t>(strings_.size());
        strings_.append(word).push_back('\0');
        return offset;
    }

    void type(std::uint32_t name_offset, std::uint32_t kind, std::uint32_t count, std::uint32_t ref,
              const std::vector<std::uint32_t>& extra = {}) {
        types_.insert(types_.end(), {name_offset, kind << 24 | count, ref});
        types_.insert(types_.end(), extra.begin(), extra.end());
    }

    std::vector<std::byte> bytes() const {
        btf_header header{};
        header.magic = BTF_MAGIC;
        header.version = 1;
        header.hdr_len = sizeof(header);
        header.type_len = static_cast<std::uint32_t>(types_.size() * 4);
        header.str_off = header.type_len;
        header.str_len = static_cast<std::uint32_t>(strings_.size());
        std::vector<std::byte> bytes(sizeof(header) + header.type_len + strings_.size());
        std::memcpy(bytes.data(), &header, sizeof(header));
        std::memcpy(bytes.data() + sizeof(header), types_.data(), header.type_len);
        std::memcpy(bytes.data() + sizeof(header) + header.type_len, strings_.data(), strings_.size());
        return bytes;
    }

  private:
    std::vector<std::uint32_t> types_;
    std::string strings_{'\0'};
};

}  // namespace bindtrace
