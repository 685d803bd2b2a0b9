// SPDX-License-Identifier: MIT
#include "kernel/bpf_image.h"

#include "fentry.skel.h"
#include "fentry_cast.skel.h"
#include "kprobe.skel.h"
#include "tracepoint.skel.h"
#include "tracepoint_cast.skel.h"

namespace bindtrace {
namespace {

template <typename Skeleton>
class SkeletonImage final : public BpfImage {
  public:
    explicit SkeletonImage(Skeleton* skeleton) : skeleton_(skeleton) {}
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
};

template <typename Skeleton>
std::unique_ptr<BpfImage> open_skeleton() {
    Skeleton* skeleton = Skeleton::open();
    if (!skeleton) return nullptr;
    return std::make_unique<SkeletonImage<Skeleton>>(skeleton);
}

}  // namespace

std::unique_ptr<BpfImage> BpfImage::open(Strategy strategy, bool can_cast) {
    switch (strategy) {
        case Strategy::fentry:
            return can_cast ? open_skeleton<fentry_cast_bpf>() : open_skeleton<fentry_bpf>();
        case Strategy::kprobe:  // its programs may not cast
            return open_skeleton<kprobe_bpf>();
        case Strategy::tracepoint:
            return can_cast ? open_skeleton<tracepoint_cast_bpf>() : open_skeleton<tracepoint_bpf>();
    }
    return nullptr;
}

}  // namespace bindtrace
