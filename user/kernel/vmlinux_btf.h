// SPDX-License-Identifier: MIT
// A few names looked up in the kernel's type information (BTF), in one pass.
//
// libbpf parses all of it, 130,000 types, and keeps it: 30 ms and 10 MiB that a start during a deploy does not have to
// spend on the thirty names we ask for. It is parsed in full once more when the programs are loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/btf_reader.h"

namespace bindtrace {

// A file's bytes: mapped where the kernel allows (of its BTF since 6.16), or else read.
class FileBytes {
  public:
    static std::optional<FileBytes> read(const char* path);

    FileBytes() = default;
    FileBytes(FileBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    FileBytes& operator=(FileBytes&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~FileBytes();

    std::span<const std::byte> bytes() const { return bytes_; }

  private:
    explicit FileBytes(std::span<std::byte> bytes) : bytes_(bytes) {}

    std::span<std::byte> bytes_;
};

class VmlinuxBtf {
  public:
    struct Entry {
        std::uint32_t id = 0;  // type id, for attach_btf_id
        int arity = 0;         // of a function
    };

    // Functions, typedefs and structs with these names. Nothing where the kernel has no BTF, or not in this format.
    static std::optional<VmlinuxBtf> read(const TypeNames& names, const char* path = "/sys/kernel/btf/vmlinux");
    static std::optional<VmlinuxBtf> parse(std::span<const std::byte> bytes, const TypeNames& names);

    std::optional<Entry> function(std::string_view name) const { return find(functions_, name); }
    std::optional<Entry> structure(std::string_view name) const { return find(structs_, name); }
    std::optional<Entry> type_definition(std::string_view name) const { return find(typedefs_, name); }

    // All of it; null after forget(), and where it was not read from a file.
    const BtfReader* all() const { return all_ ? &*all_ : nullptr; }
    void forget() {
        all_.reset();
        FileBytes forgotten(std::move(bytes_));
    }

  private:
    static VmlinuxBtf find(const BtfReader& btf, const TypeNames& names);

    using Entries = std::map<std::string, Entry, std::less<>>;

    static std::optional<Entry> find(const Entries& entries, std::string_view name) {
        const auto found = entries.find(name);
        if (found == entries.end()) return std::nullopt;
        return found->second;
    }

    Entries functions_;
    Entries structs_;
    Entries typedefs_;
    FileBytes bytes_;
    std::optional<BtfReader> all_;  // of these bytes
};

}  // namespace bindtrace
