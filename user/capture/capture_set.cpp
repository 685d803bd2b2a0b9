// SPDX-License-Identifier: MIT
#include "capture/capture_set.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <tuple>

#include "capture/kept_record.h"

namespace bindtrace {
namespace {

class HeadReader final : public Receiver {
  public:
    explicit HeadReader(CaptureBeginning& to) : to_(to) {}

    void meta(const Meta& meta) override { to_.meta = meta; }
    void event(const Event&, const Context&, const Findings*) override {}
    void loss(const Loss&) override {}
    void host(const Host& host) override { to_.host = host; }

  private:
    CaptureBeginning& to_;
};

// What is found wrong on the way is told when the file is read.
Result<CaptureBeginning> beginning_of(const std::string& path) {
    auto reader = CaptureReader::open(path);
    if (!reader) return reader.error();
    const auto header = (*reader)->peek();
    if (!header) return header.error();
    CaptureBeginning begun;
    begun.path = path;
    if (*header != nullptr) {
        begun.has_block = true;
        begun.recording = (*header)->recording;
        begun.sequence = (*header)->sequence;
    }
    if (!is_plain_file(path)) {
        begun.reader = std::move(*reader);
        return begun;
    }
    std::error_code unknown;
    const auto bytes = std::filesystem::file_size(path, unknown);
    if (!unknown) begun.bytes = bytes;
    HeadReader head(begun);
    if (*header == nullptr || (*header)->kind != BlockKind::head) return begun;
    if (const auto taken = (*reader)->next_block(); !taken) return taken.error();
    while ((*reader)->next_record(head)) {
    }
    return begun;
}

// One whose name is not known may be any: it counts as another.
std::size_t count_hosts(const std::vector<CaptureChain>& chains) {
    std::set<std::pair<std::string, std::string>> named;
    std::size_t unknown = 0;
    for (const CaptureChain& chain : chains) {
        const CaptureBeginning& head = chain.head();
        if (!head.meta.host.empty())
            named.emplace(head.meta.host, head.host.machine_id);
        else if (head.has_block)
            ++unknown;
    }
    return named.size() + unknown;
}

// A chain whose turn is decided by what it has to tell next.
struct Source {
    CaptureChain* chain = nullptr;
    std::size_t order = 0;
    KeptRecord next;

    // False at its end.
    Result<bool> advance(BlockReceiver& receiver) {
        next.clear();
        while (next.empty()) {
            auto taken = chain->next(receiver, next);
            if (!taken || !*taken) return taken;
        }
        return true;
    }
};

bool is_later(const Source* one, const Source* other) {
    return std::tuple(one->next.time_ns(), one->order) > std::tuple(other->next.time_ns(), other->order);
}

// The last one needs to be compared with nobody.
Result<bool> read_rest(Source& source, BlockReceiver& receiver) {
    source.next.tell(receiver);
    for (;;) {
        auto taken = source.chain->next(receiver, receiver);
        if (!taken || !*taken) return taken;
    }
}

Status merge(std::vector<CaptureChain>& chains, BlockReceiver& receiver) {
    std::vector<std::unique_ptr<Source>> sources;
    std::vector<Source*> waiting;  // a heap, the earliest in front
    const auto advance = [&](Source* source) -> Result<bool> {
        auto advanced = source->advance(receiver);
        if (!advanced) return advanced;
        if (*advanced) {
            waiting.push_back(source);
            std::ranges::push_heap(waiting, is_later);
        }
        return !source->chain->is_stopped();
    };
    for (CaptureChain& chain : chains) {
        chain.begin();
        Source& source = *sources.emplace_back(std::make_unique<Source>());
        source.chain = &chain;
        source.order = sources.size();
        const auto goes_on = advance(&source);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) return {};
    }
    while (waiting.size() > 1) {
        std::ranges::pop_heap(waiting, is_later);
        Source* const source = waiting.back();
        waiting.pop_back();
        source->next.tell(receiver);
        const auto goes_on = advance(source);
        if (!goes_on) return goes_on.error();
        if (!*goes_on) return {};
    }
    if (waiting.empty()) return {};
    const auto read = read_rest(*waiting.front(), receiver);
    return read ? Status() : read.error();
}

std::vector<std::pair<std::string, std::string>> overlaps(const std::vector<CaptureChain>& chains) {
    std::vector<const CaptureChain*> known;
    for (const CaptureChain& chain : chains)
        if (!chain.head().host.boot_id.empty() && chain.last_ns() != 0) known.push_back(&chain);
    const auto boot = [](const CaptureChain* chain) {
        const CaptureBeginning& head = chain->head();
        return std::tie(head.host.machine_id, head.host.boot_id, head.meta.host);
    };
    std::ranges::stable_sort(known, [&](const CaptureChain* one, const CaptureChain* other) {
        return std::tuple(boot(one), one->first_ns()) < std::tuple(boot(other), other->first_ns());
    });
    std::vector<std::pair<std::string, std::string>> found;
    for (std::size_t i = 1, longest = 0; i < known.size(); ++i) {
        if (boot(known[i]) == boot(known[longest]) && known[i]->first_ns() <= known[longest]->last_ns()) {
            found.emplace_back(known[longest]->first().path, known[i]->first().path);
            if (known[i]->last_ns() > known[longest]->last_ns()) longest = i;
        } else {
            longest = i;
        }
    }
    return found;
}

}  // namespace

bool SetRead::is_complete() const {
    return std::ranges::all_of(files, [](const FileRead& file) { return file.is_complete(); });
}

Result<CaptureSet> CaptureSet::look(const std::vector<std::string>& paths) {
    std::vector<CaptureBeginning> files;
    for (const std::string& path : paths) {
        auto begun = beginning_of(path);
        if (!begun) return begun.error();
        files.push_back(std::move(*begun));
    }
    // Of two that begin alike the longer one first: then all of the other is known.
    std::ranges::sort(files, [](const CaptureBeginning& one, const CaptureBeginning& other) {
        return std::tuple(one.recording, one.sequence, ~one.bytes, one.path) <
               std::tuple(other.recording, other.sequence, ~other.bytes, other.path);
    });
    CaptureSet set;
    for (CaptureBeginning& file : files) {
        if (set.chains_.empty() || set.chains_.back().first().recording != file.recording) set.chains_.emplace_back();
        set.chains_.back().add(std::move(file));
    }
    std::ranges::stable_sort(set.chains_, {}, [](const CaptureChain& chain) { return chain.head().meta.time_ns; });
    set.has_several_hosts_ = count_hosts(set.chains_) > 1;
    return set;
}

Result<SetRead> CaptureSet::read(BlockReceiver& receiver) {
    if (Status merged = merge(chains_, receiver); !merged) return merged.error();
    SetRead all;
    for (const CaptureChain& chain : chains_)
        all.files.insert(all.files.end(), chain.read().begin(), chain.read().end());
    const auto is_unreadable = [](const FileRead& file) { return !file.unreadable.empty(); };
    if (!all.files.empty() && std::ranges::all_of(all.files, is_unreadable)) return Error{all.files.front().unreadable};
    all.overlaps = overlaps(chains_);
    return all;
}

bool is_plain_file(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored);
}

}  // namespace bindtrace
