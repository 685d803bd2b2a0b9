// SPDX-License-Identifier: MIT
#include "capture/capture_writer.h"

#include <algorithm>

namespace bindtrace {
namespace {

constexpr std::size_t kEndBytes = kBlockHeaderBytes + 64;  // of the largest END, kept free in each file

}  // namespace

Status CaptureWriter::start(const Meta& meta, const Host& host, const std::vector<HeldPort>& ports, bool complete) {
    meta_ = meta;
    host_ = host;
    holders_.restart(ports, complete, meta.ktime_ns);
    time_ns_ = meta.time_ns;
    ktime_ns_ = meta.ktime_ns;
    next_checkpoint_ns_ = ktime_ns_ + kCheckpointNs;
    if (Status head = write_head(); !head) return head;
    events_.clear();  // what came before is in the head
    return write_checkpoint();
}

void CaptureWriter::netns(const NetnsFacts& netns) {
    if (netns_.size() >= kNetnsRestated) netns_.erase(netns_.begin());
    netns_.push_back(netns);
    events_.netns(netns);
}

void CaptureWriter::event(const Event& event, const Context& context, const Findings* findings) {
    ++totals_.events;
    if (!status_) return;
    went_on_until(context.time_ns, event.ktime_ns);
    events_.event(event, context, findings);
    holders_.apply(event, context);
    if (event.error != 0) ++totals_.failures;
    if (findings != nullptr) urgent_ = true;
    if (events_.records().size() >= output_.goal()) status_ = write_events();
}

void CaptureWriter::loss(const Loss& loss) {
    went_on_until(loss.time_ns, loss.ktime_ns);
    events_.loss(loss);
    totals_.lost += loss.count;
}

void CaptureWriter::warning(const Warning& warning) {
    went_on_until(warning.time_ns, warning.ktime_ns);
    events_.warning(warning);
    urgent_ = true;
}

void CaptureWriter::went_on_until(std::int64_t time_ns, std::uint64_t ktime_ns) {
    if (ktime_ns < ktime_ns_) return;
    time_ns_ = time_ns;
    ktime_ns_ = ktime_ns;
}

Status CaptureWriter::flush() {
    if (status_ && urgent_) status_ = write_events();
    return status_;
}

Status CaptureWriter::tick(std::int64_t time_ns, std::uint64_t ktime_ns) {
    went_on_until(time_ns, ktime_ns);
    if (status_) status_ = write_events();
    if (status_ && output_.is_full(0)) status_ = change_file();
    if (status_ && ktime_ns >= next_checkpoint_ns_) {
        next_checkpoint_ns_ = ktime_ns + kCheckpointNs;
        status_ = write_checkpoint_or_change();
    }
    return status_;
}

Status CaptureWriter::finish() {
    if (status_) status_ = write_events();
    if (status_) status_ = write_end(false);
    return status_;
}

BlockHeader CaptureWriter::header(BlockKind kind) const {
    return {.kind = kind, .sequence = sequence_, .recording = host_.recording};
}

Status CaptureWriter::write_events() {
    urgent_ = false;
    if (events_.count() == 0) return {};
    BlockHeader head = header(BlockKind::events);
    head.first_ns = events_.first_ns();
    head.last_ns = events_.last_ns();
    head.records = events_.count();
    std::string_view block = packer_.pack(head, events_.records());
    if (output_.is_full(block.size() + kEndBytes)) {
        if (Status changed = change_file(); !changed) return changed;
        head.sequence = sequence_;
        block = packer_.pack(head, events_.records());
    }
    events_.clear();
    ++sequence_;
    bytes_ += block.size();
    Status written = output_.write(block);
    if (written) written_events_ = totals_.events;
    return written;
}

// A file is to be understood without those before it.
Status CaptureWriter::change_file() {
    if (Status ended = write_end(true); !ended) return ended;
    if (Status opened = output_.next_file(); !opened) return opened;
    if (Status head = write_head(); !head) return head;
    return write_checkpoint();
}

// The settings of as many network namespaces as have room, those seen last.
Status CaptureWriter::write_head() {
    for (std::size_t count = netns_.size();; count /= 2) {
        BlockEncoder encoder(tasks_);
        encoder.meta(meta_);
        encoder.host(host_);
        for (std::size_t i = netns_.size() - count; i < netns_.size(); ++i) encoder.netns(netns_[i]);
        const std::string_view block = pack(BlockKind::head, encoder);
        if (count == 0 || fits(block, encoder)) return put(block);
    }
}

Status CaptureWriter::write_checkpoint() {
    return put(pack_checkpoint());
}

// In the midst of a file, which may not have the room.
Status CaptureWriter::write_checkpoint_or_change() {
    const std::string_view block = pack_checkpoint();
    return output_.is_full(block.size() + kEndBytes) ? change_file() : put(block);
}

// Of all that are held or, where those take too much, of as many as there is room for.
std::string_view CaptureWriter::pack_checkpoint() {
    const auto claims = holders_.in_order(ktime_ns_);
    for (std::size_t count = std::min(claims.size(), held_room_);; count = count / 4 * 3) {
        BlockEncoder encoder(tasks_);
        encoder.checkpoint(time_ns_, ktime_ns_, count, count == claims.size() && holders_.is_complete());
        for (std::size_t i = 0; i < count && encoder.records().size() <= kBlockLimit; ++i)
            encoder.held(HolderTable::port_of(*claims[i]));
        const std::string_view block = pack(BlockKind::checkpoint, encoder);
        if (count != 0 && !fits(block, encoder)) continue;
        if (count < claims.size()) held_room_ = count + count / 4 + 1;
        return block;
    }
}

Status CaptureWriter::write_end(bool continues) {
    RecordingEnd end = totals_;
    end.continues = continues;
    end.time_ns = time_ns_;
    end.ktime_ns = ktime_ns_;
    BlockEncoder encoder(tasks_);
    encoder.end(end);
    return put(pack(BlockKind::end, encoder));
}

bool CaptureWriter::fits(std::string_view block, const BlockEncoder& encoder) const {
    return block.size() <= output_.share() && encoder.records().size() <= kBlockLimit;
}

// Lives until the next call.
std::string_view CaptureWriter::pack(BlockKind kind, const BlockEncoder& encoder) {
    BlockHeader head = header(kind);
    head.first_ns = encoder.first_ns();
    head.last_ns = encoder.last_ns();
    head.records = encoder.count();
    return packer_.pack(head, encoder.records());
}

Status CaptureWriter::put(std::string_view block) {
    ++sequence_;
    bytes_ += block.size();
    return output_.write(block);
}

}  // namespace bindtrace
