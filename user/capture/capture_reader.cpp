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
    for (;;) {
        const auto taken = next_block(choose);
        if (!taken) return taken.error();
        if (!*taken) return end();
        while (next_record(receiver)) {
        }
    }
}

Result<const BlockHeader*> CaptureReader::peek() {
    while (!found_) {
        if (Status filled = fill(kBlockHeaderBytes); !filled) return filled.error();
        if (offset() == 0) {
            report_.empty = ahead().empty();
            begins_like_one_ = kCaptureMagic.starts_with(ahead().substr(0, kCaptureMagic.size()));
        }
        if (ahead().empty()) {
            end_of_damage();
            return nullptr;
        }
        const auto is_block = find_block();
        if (!is_block) return is_block.error();
        if (*is_block) continue;
        if (!damage_begin_) damage_begin_ = offset();
        if (Status sought = seek_magic(); !sought) return sought.error();
    }
    return &*found_;
}

// False where there is none, or none that is intact. One of a newer format is passed over.
Result<bool> CaptureReader::find_block() {
    const auto header = unpack_header(ahead());
    if (!header) return false;
    const std::size_t size = kBlockHeaderBytes + header->stored_bytes;
    if (Status filled = fill(size); !filled) return filled.error();
    if (ahead().size() < size) return false;
    const bool is_newer = header->major > kCaptureMajor;
    if (!is_newer) {
        if (!may_look_into(*header)) return false;
        if (!BlockUnpacker::is_intact(*header, ahead().substr(kBlockHeaderBytes, header->stored_bytes))) {
            in_vain_ += header->stored_bytes;
            return false;
        }
    }
    end_of_damage();
    if (is_newer) {
        ++report_.newer_blocks;
        at_ += size;
    } else {
        found_ = header;
    }
    return true;
}

// What somebody has made up may have a header every 64 bytes, each with a checksum of megabytes that is wrong. Where
// bytes were damaged, were lost or came twice, what is looked into in vain is no more than a few times the file.
bool CaptureReader::may_look_into(const BlockHeader& header) const {
    return in_vain_ + header.stored_bytes <= kInVain + 4 * offset();
}

Result<bool> CaptureReader::next_block(const Choose& choose) {
    if (is_stopped_) return false;
    const auto ahead_of_us = peek();
    if (!ahead_of_us) return ahead_of_us.error();
    if (*ahead_of_us == nullptr) return false;
    const BlockHeader header = **ahead_of_us;
    found_.reset();
    ++report_.blocks;
    check_sequence(header);
    report_.ended = header.kind == BlockKind::end;
    const Choice choice = is_repeated_ ? Choice::skip : choose ? choose(header) : Choice::read;
    const std::string_view stored = ahead().substr(kBlockHeaderBytes, header.stored_bytes);
    decoder_.begin({}, header.recording);
    if (choice == Choice::read) unpack(header, stored);
    is_stopped_ = choice == Choice::stop;
    at_ += kBlockHeaderBytes + stored.size();  // what is decoded stays where it is until more is read
    return !is_stopped_;
}

void CaptureReader::unpack(const BlockHeader& header, std::string_view stored) {
    if (const auto records = unpacker_.unpack(header, stored)) return decoder_.begin(*records, header.recording);
    const std::size_t bytes = kBlockHeaderBytes + stored.size();
    --report_.blocks;
    report_.lost_bytes += bytes;
    damaged(offset(), bytes, "damaged before it was written");
}

Result<ReadReport> CaptureReader::end() {
    report_.skipped = decoder_.skipped();
    if (report_.empty) return Error{name_ + " is empty: nothing was recorded into it"};
    if (report_.blocks == 0 && report_.newer_blocks != 0)
        return Error{name_ + " was written by a newer bindtrace, in a format that this one cannot read"};
    if (report_.blocks == 0 && !begins_like_one_) return Error{name_ + " is no capture of bindtrace"};
    return std::move(report_);
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
    const auto earlier = earlier_.find(header.recording);
    const bool has_earlier = earlier != earlier_.end();
    is_repeated_ = has_earlier && header.sequence < earlier->second;
    if (is_repeated_) {
        ++report_.known_blocks;
        return;
    }
    const auto [found, is_new] = next_.try_emplace(header.recording, has_earlier ? earlier->second : header.sequence);
    std::uint32_t& next = found->second;
    const bool is_first = is_new && !has_earlier;
    is_repeated_ = !is_new && header.sequence < next;
    if (is_repeated_)
        return damaged(offset(), kBlockHeaderBytes + header.stored_bytes, "a block that was there before");
    if (is_first && header.kind != BlockKind::head)
        damaged(offset(), 0, "the beginning is missing");
    else if (header.sequence > next && (damage_end_ == 0 || damage_end_ != offset()))
        damaged(offset(), 0, "blocks missing here: " + std::to_string(header.sequence - next));
    next = header.sequence + 1;
}

CaptureReader::Sequences CaptureReader::sequences() const {
    Sequences all = earlier_;
    for (const auto& [recording, next] : next_) all[recording] = next;
    return all;
}

void CaptureReader::damaged(std::uint64_t offset, std::uint64_t bytes, std::string what) {
    ++report_.damage_count;
    if (report_.damages.size() < kDamagesKept)
        report_.damages.push_back({.offset = offset, .bytes = bytes, .what = std::move(what)});
}

}  // namespace bindtrace
