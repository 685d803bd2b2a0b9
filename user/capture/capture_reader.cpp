// SPDX-License-Identifier: MIT
#include "capture/capture_reader.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace bindtrace {

Result<std::unique_ptr<CaptureReader>> CaptureReader::open(const std::string& path) {
    std::unique_ptr<CaptureReader> reader(new CaptureReader);
    const bool is_stdin = path == "-";
    reader->name_ = is_stdin ? "stdin" : path;
    reader->file_ = UniqueFd(is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                      : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!reader->file_.valid()) return Error{"cannot read " + reader->name_, errno};
    struct stat found {};
    if (fstat(reader->file_.get(), &found) != 0) return Error{"cannot read " + reader->name_, errno};
    if (S_ISDIR(found.st_mode)) return Error{reader->name_ + " is a directory, and no capture", EISDIR};
    if (!is_stdin)
        reader->report_.is_growing = flock(reader->file_.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    return reader;
}

std::unique_ptr<CaptureReader> CaptureReader::of(std::string bytes) {
    std::unique_ptr<CaptureReader> reader(new CaptureReader);
    reader->name_ = "memory";
    reader->buffer_ = std::move(bytes);
    reader->at_end_ = true;
    return reader;
}

// Sees to it that so many bytes are ahead, where there are as many.
Status CaptureReader::fill(std::size_t bytes) {
    while (!at_end_ && buffer_.size() - at_ < bytes) {
        if (at_ > kChunk || at_ == buffer_.size()) {
            buffer_.erase(0, at_);
            before_ += at_;
            at_ = 0;
        }
        const std::size_t had = buffer_.size();
        buffer_.resize(had + kChunk);
        const ssize_t got = ::read(file_.get(), buffer_.data() + had, kChunk);
        const int code = errno;
        buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && code != EINTR) return Error{"cannot read " + name_, code};
        at_end_ = got == 0;
    }
    return {};
}

Result<ReadReport> CaptureReader::read(Receiver& receiver, const Choose& choose) {
    bool is_capture = false;
    while (!is_stopped_) {
        if (Status filled = fill(kBlockHeaderBytes); !filled) return filled.error();
        if (offset() == 0) {
            report_.empty = ahead().empty();
            is_capture = kCaptureMagic.starts_with(ahead().substr(0, kCaptureMagic.size()));
        }
        if (ahead().empty()) break;
        const auto taken = take_block(receiver, choose);
        if (!taken) return taken.error();
        if (*taken) continue;
        if (!damage_begin_) damage_begin_ = offset();
        if (Status sought = seek_magic(); !sought) return sought.error();
    }
    end_of_damage();
    report_.skipped = decoder_.skipped();
    if (report_.empty) return Error{name_ + " is empty: nothing was recorded into it"};
    if (report_.blocks == 0 && report_.newer_blocks != 0)
        return Error{name_ + " was written by a newer bindtrace, in a format that this one cannot read"};
    if (report_.blocks == 0 && !is_capture) return Error{name_ + " is no capture of bindtrace"};
    return std::move(report_);
}

// False where there is none, or none that is intact.
Result<bool> CaptureReader::take_block(Receiver& receiver, const Choose& choose) {
    const auto header = unpack_header(ahead());
    if (!header) return false;
    const std::size_t size = kBlockHeaderBytes + header->stored_bytes;
    if (Status filled = fill(size); !filled) return filled.error();
    if (ahead().size() < size) return false;
    const bool is_newer = header->major > kCaptureMajor;
    const std::string_view stored = ahead().substr(kBlockHeaderBytes, header->stored_bytes);
    if (!BlockUnpacker::is_intact(*header, stored) && !is_newer) return false;
    end_of_damage();
    if (is_newer) {
        ++report_.newer_blocks;
    } else {
        ++report_.blocks;
        check_sequence(*header);
        report_.ended = header->kind == BlockKind::end;
        const Choice choice = is_repeated_ ? Choice::skip : choose ? choose(*header) : Choice::read;
        if (choice == Choice::read) decode(*header, stored, receiver);
        is_stopped_ = choice == Choice::stop;
    }
    at_ += size;
    return true;
}

void CaptureReader::decode(const BlockHeader& header, std::string_view stored, Receiver& receiver) {
    if (const auto records = unpacker_.unpack(header, stored))
        return decoder_.decode(*records, header.recording, receiver);
    const std::size_t bytes = kBlockHeaderBytes + stored.size();
    --report_.blocks;
    report_.lost_bytes += bytes;
    damaged(offset(), bytes, "damaged before it was written");
}

// The next place where a block may begin, after this one.
Status CaptureReader::seek_magic() {
    ++at_;
    for (;;) {
        if (Status filled = fill(kCaptureMagic.size()); !filled) return filled;
        const std::size_t found = buffer_.find(kCaptureMagic, at_);
        if (found != std::string::npos) {
            at_ = found;
            return {};
        }
        if (at_end_) {
            at_ = buffer_.size();
            return {};
        }
        at_ = buffer_.size() - std::min(buffer_.size() - at_, kCaptureMagic.size() - 1);  // it may be cut in two here
    }
}

void CaptureReader::end_of_damage() {
    if (!damage_begin_) return;
    const std::uint64_t begin = *damage_begin_, bytes = offset() - begin;
    damage_begin_.reset();
    damage_end_ = offset();
    const bool is_last = at_end_ && at_ == buffer_.size();
    if (is_last && report_.is_growing) return;  // a block that is just being written
    report_.lost_bytes += bytes;
    damaged(begin, bytes, is_last ? "cut off in the middle" : "damaged");
}

void CaptureReader::check_sequence(const BlockHeader& header) {
    const auto [found, is_first] = next_.try_emplace(header.recording, header.sequence);
    std::uint32_t& next = found->second;
    is_repeated_ = !is_first && header.sequence < next;
    if (is_repeated_)
        return damaged(offset(), kBlockHeaderBytes + header.stored_bytes, "a block that was there before");
    if (is_first && header.kind != BlockKind::head)
        damaged(offset(), 0, "the beginning is missing");
    else if (header.sequence > next && (damage_end_ == 0 || damage_end_ != offset()))
        damaged(offset(), 0, "blocks missing here: " + std::to_string(header.sequence - next));
    next = header.sequence + 1;
}

void CaptureReader::damaged(std::uint64_t offset, std::uint64_t bytes, std::string what) {
    ++report_.damage_count;
    if (report_.damages.size() < kDamagesKept)
        report_.damages.push_back({.offset = offset, .bytes = bytes, .what = std::move(what)});
}

}  // namespace bindtrace
