// SPDX-License-Identifier: MIT
#include "capture/capture_chain.h"

#include <algorithm>

namespace bindtrace {

void CaptureChain::begin() {
    at_ = 0;
    reader_.reset();
    sequences_.clear();
    read_.clear();
    first_ns_ = last_ns_ = 0;
    is_stopped_ = false;
}

Result<bool> CaptureChain::next(BlockReceiver& blocks, Receiver& to) {
    for (;;) {
        if (reader_ && reader_->next_record(to)) return true;
        if (is_stopped_) return false;
        if (!reader_) {
            if (at_ == files_.size()) return false;
            if (Status opened = open_next(); !opened) return opened.error();
        }
        const auto taken = next_block(blocks);
        if (!taken) return taken.error();
        if (!*taken) close();
    }
}

const CaptureBeginning& CaptureChain::head() const {
    const auto has_meta = [](const CaptureBeginning& file) { return file.meta.time_ns != 0; };
    const auto found = std::ranges::find_if(files_, has_meta);
    return found == files_.end() ? files_.front() : *found;
}

Status CaptureChain::open_next() {
    CaptureBeginning& file = files_[at_];
    if (file.reader) {
        reader_ = std::move(file.reader);
    } else {
        auto opened = CaptureReader::open(file.path);
        if (!opened) return opened.error();
        reader_ = std::move(*opened);
    }
    reader_->begin_after(sequences_);
    return {};
}

Result<bool> CaptureChain::next_block(BlockReceiver& blocks) {
    return reader_->next_block([&](const BlockHeader& header) {
        if (header.last_ns != 0 && !is_restated(header)) {
            first_ns_ = first_ns_ == 0 ? header.first_ns : std::min(first_ns_, header.first_ns);
            last_ns_ = std::max(last_ns_, header.last_ns);
        }
        const CaptureReader::Choice choice = blocks.begin_block(header);
        is_stopped_ = choice == CaptureReader::Choice::stop;
        return choice;
    });
}

void CaptureChain::close() {
    sequences_ = reader_->sequences();
    auto report = reader_->end();
    FileRead& file = read_.emplace_back();
    file.path = files_[at_++].path;
    if (report)
        file.read = std::move(*report);
    else
        file.unreadable = report.error().what;
    reader_.reset();
}

}  // namespace bindtrace
