// SPDX-License-Identifier: MIT
#include "kernel/libbpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

constexpr int kKernelsOwnNotSupported = 524;  // ENOTSUPP, of which the C library knows nothing

// libbpf's own words, kept for the one error message that main() prints; -v shows all of them.
std::string& libbpf_words() {
    static std::string words;
    return words;
}

int on_libbpf_message(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    std::array<char, 1024> line{};
    const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
    std::string_view text(line.data(),
                          std::min<std::size_t>(line.size() - 1, static_cast<std::size_t>(std::max(length, 0))));
    while (text.ends_with('\n')) text.remove_suffix(1);
    spdlog::debug("{}", text);
    if (level == LIBBPF_WARN) libbpf_words() = text;
    return 0;
}

}  // namespace

void keep_libbpf_words() {
    libbpf_words().clear();
    libbpf_set_print(on_libbpf_message);
}

Error bpf_error(const std::string& what, int code) {
    std::string text = what;
    if (!libbpf_words().empty()) text += " (" + libbpf_words() + ")";
    return Error{std::move(text), code == kKernelsOwnNotSupported ? ENOTSUP : code};
}

Status run_iterator(const bpf_program* program) {
    const auto nothing = read_iterator(program);
    return nothing ? Status{} : nothing.error();
}

Result<std::vector<std::byte>> read_iterator(const bpf_program* program) {
    const auto destroy = [](bpf_link* link) { bpf_link__destroy(link); };
    const std::string name = bpf_program__name(program);
    const std::unique_ptr<bpf_link, decltype(destroy)> link(bpf_program__attach_iter(program, nullptr), destroy);
    if (!link) return bpf_error("cannot attach " + name, errno);
    const UniqueFd reader(bpf_iter_create(bpf_link__fd(link.get())));
    if (!reader.valid()) return bpf_error("cannot run " + name, errno);
    std::vector<std::byte> all;
    std::array<std::byte, 4096> part{};
    for (;;) {
        const ssize_t got = read(reader.get(), part.data(), part.size());
        if (got > 0) all.insert(all.end(), part.begin(), part.begin() + got);
        if (got == 0) return all;
        if (got < 0 && errno != EAGAIN && errno != EINTR) return bpf_error("cannot run " + name, errno);
    }
}

}  // namespace bindtrace
