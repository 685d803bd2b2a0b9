// SPDX-License-Identifier: MIT
#include "kernel/bpf_image.h"

#include <bpf/btf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/unique_fd.h"
#include "fentry.skel.h"
#include "fentry_cast.skel.h"
#include "kernel/btf_excerpt.h"
#include "kprobe.skel.h"
#include "tracepoint.skel.h"
#include "tracepoint_cast.skel.h"

namespace bindtrace {
namespace {

template <typename Skeleton>
class SkeletonImage final : public BpfImage {
  public:
    SkeletonImage(Skeleton* skeleton, UniqueFd btf) : skeleton_(skeleton), btf_(std::move(btf)) {}
    SkeletonImage(const SkeletonImage&) = delete;
    SkeletonImage& operator=(const SkeletonImage&) = delete;
    ~SkeletonImage() override { Skeleton::destroy(skeleton_); }

    bpf_object* object() override { return skeleton_->obj; }
    bt_config& config() override { return skeleton_->rodata->bt_config; }
    int load() override { return Skeleton::load(skeleton_); }
    volatile std::uint32_t& armed() override { return skeleton_->data->bt_armed; }
    volatile std::uint32_t& consumer_sleeps() override { return skeleton_->data->bt_consumer_sleeps; }
    std::uint32_t host_netns() override { return skeleton_->data->bt_host_netns; }

  private:
    Skeleton* skeleton_;
    UniqueFd btf_;  // read at load()
};

// The names of all types that an object may be relocated against: what follows "___" in one is our own.
std::set<std::string, std::less<>> type_names(const bpf_object* object) {
    std::set<std::string, std::less<>> names;
    const btf* types = bpf_object__btf(object);
    for (__u32 id = 1; id < btf__type_cnt(types); ++id) {
        const btf_type* type = btf__type_by_id(types, id);
        if (!btf_is_composite(type) && !btf_is_any_enum(type)) continue;
        const std::string_view name = btf__name_by_offset(types, type->name_off);
        names.emplace(name.substr(0, name.find("___")));
    }
    return names;
}

UniqueFd in_memory(std::span<const std::byte> bytes) {
    UniqueFd file(memfd_create("bindtrace-btf", MFD_CLOEXEC));
    if (!file.valid() || write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return UniqueFd();
    return file;
}

// Opened twice: the names of its types are needed for what it is then relocated against. Without an excerpt libbpf
// takes the kernel's types themselves.
template <typename Skeleton>
std::unique_ptr<BpfImage> open_skeleton(std::span<const std::byte> vmlinux_btf) {
    Skeleton* skeleton = Skeleton::open();
    if (!skeleton) return nullptr;
    const auto excerpt = btf_excerpt(vmlinux_btf, type_names(skeleton->obj));
    UniqueFd file = excerpt ? in_memory(*excerpt) : UniqueFd();
    if (file.valid()) {
        Skeleton::destroy(skeleton);
        const std::string path = "/proc/self/fd/" + std::to_string(file.get());
        LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = path.c_str());
        skeleton = Skeleton::open(&options);
        if (!skeleton) return nullptr;
    }
    return std::make_unique<SkeletonImage<Skeleton>>(skeleton, std::move(file));
}

}  // namespace

std::unique_ptr<BpfImage> BpfImage::open(Strategy strategy, bool can_cast, std::span<const std::byte> vmlinux_btf) {
    switch (strategy) {
        case Strategy::fentry:
            return can_cast ? open_skeleton<fentry_cast_bpf>(vmlinux_btf) : open_skeleton<fentry_bpf>(vmlinux_btf);
        case Strategy::kprobe:  // its programs may not cast
            return open_skeleton<kprobe_bpf>(vmlinux_btf);
        case Strategy::tracepoint:
            return can_cast ? open_skeleton<tracepoint_cast_bpf>(vmlinux_btf)
                            : open_skeleton<tracepoint_bpf>(vmlinux_btf);
    }
    return nullptr;
}

}  // namespace bindtrace
