// SPDX-License-Identifier: MIT
#include "kernel/bpf_image.h"

#include <utility>

#include "fentry.skel.h"
#include "fentry_cast.skel.h"
#include "kernel/skeleton.h"
#include "kprobe.skel.h"
#include "tracepoint.skel.h"
#include "tracepoint_cast.skel.h"

namespace bindtrace {
namespace {

template <typename Skeleton>
class SkeletonImage final : public BpfImage {
  public:
    explicit SkeletonImage(OpenSkeleton<Skeleton> opened) : opened_(std::move(opened)) {}

    bpf_object* object() override { return skeleton().obj; }
    bt_config& config() override { return skeleton().rodata->bt_config; }
    int load() override { return Skeleton::load(&skeleton()); }
    volatile std::uint32_t& armed() override { return skeleton().data->bt_armed; }
    volatile std::uint32_t& consumer_sleeps() override { return skeleton().data->bt_consumer_sleeps; }
    std::uint32_t host_netns() override { return skeleton().data->bt_host_netns; }
    volatile std::uint32_t& netns_asked() override { return skeleton().data->bt_netns_asked; }
    const bt_netns_walk& netns_walk() override { return skeleton().bss->bt_netns_walk; }

  private:
    Skeleton& skeleton() { return *opened_.skeleton; }

    OpenSkeleton<Skeleton> opened_;
};

template <typename Skeleton>
std::unique_ptr<BpfImage> image(const BtfReader* vmlinux_btf) {
    auto opened = open_skeleton<Skeleton>(vmlinux_btf);
    if (!opened.skeleton) return nullptr;
    return std::make_unique<SkeletonImage<Skeleton>>(std::move(opened));
}

}  // namespace

std::unique_ptr<BpfImage> BpfImage::open(Strategy strategy, bool can_cast, const BtfReader* vmlinux_btf) {
    switch (strategy) {
        case Strategy::fentry:
            return can_cast ? image<fentry_cast_bpf>(vmlinux_btf) : image<fentry_bpf>(vmlinux_btf);
        case Strategy::kprobe:  // its programs may not cast
            return image<kprobe_bpf>(vmlinux_btf);
        case Strategy::tracepoint:
            return can_cast ? image<tracepoint_cast_bpf>(vmlinux_btf) : image<tracepoint_bpf>(vmlinux_btf);
    }
    return nullptr;
}

}  // namespace bindtrace
