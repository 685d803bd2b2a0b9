// SPDX-License-Identifier: MIT
#include "kernel/ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bindtrace {
namespace {

std::size_t padded(std::size_t bytes) {
    return (bytes + 7) & ~std::size_t{7};
}

}  // namespace

void RingReader::Unmap::operator()(std::byte* mapped) const {
    munmap(mapped, bytes);
}

Result<RingReader> RingReader::open(int map_fd, std::uint32_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto mapped = [&](std::size_t size, int access, std::size_t offset) {
        void* const at = mmap(nullptr, size, access, MAP_SHARED, map_fd, static_cast<off_t>(offset));
        return Mapping(at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at), Unmap{size});
    };
    Mapping consumer = mapped(page, PROT_READ | PROT_WRITE, 0);
    Mapping producer = consumer ? mapped(page + bytes, PROT_READ, page) : nullptr;
    if (!producer) return Error{"cannot map the ring buffer", errno};
    return RingReader(std::move(consumer), std::move(producer), bytes);
}

RingReader::RingReader(Mapping consumer, Mapping producer, std::uint32_t bytes)
    : consumer_(std::move(consumer)),
      producer_(std::move(producer)),
      data_(producer_.get() + producer_.get_deleter().bytes - bytes),
      bytes_(bytes),
      position_(__atomic_load_n(reinterpret_cast<unsigned long*>(consumer_.get()), __ATOMIC_ACQUIRE)) {}

bool RingReader::find_next() {
    if (position_ == __atomic_load_n(reinterpret_cast<unsigned long*>(producer_.get()), __ATOMIC_ACQUIRE)) return false;
    const std::byte* const header = data_ + (position_ & (bytes_ - 1));
    const std::uint32_t length = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(header), __ATOMIC_ACQUIRE);
    if ((length & BPF_RINGBUF_BUSY_BIT) != 0) return false;
    discarded_ = (length & BPF_RINGBUF_DISCARD_BIT) != 0;
    const std::size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    const std::byte* const start = header + BPF_RINGBUF_HDR_SZ;
    const auto until_end = static_cast<std::size_t>(data_ + bytes_ - start);
    record_ = {start, size};
    if (size <= until_end) return true;
    whole_.resize(padded(size) / sizeof(std::uint64_t));
    auto* const whole = reinterpret_cast<std::byte*>(whole_.data());
    std::memcpy(whole, start, until_end);
    std::memcpy(whole + until_end, data_, size - until_end);
    record_ = {whole, size};
    return true;
}

void RingReader::release() {
    position_ += BPF_RINGBUF_HDR_SZ + padded(record_.size());
    __atomic_store_n(reinterpret_cast<unsigned long*>(consumer_.get()), position_, __ATOMIC_RELEASE);
}

}  // namespace bindtrace
