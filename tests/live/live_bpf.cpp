// SPDX-License-Identifier: MIT
#include "live_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <vector>

#include "bindtrace/event.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

template <typename Info>
std::string name_of(int fd) {
    if (fd < 0) return "?";
    Info info{};
    __u32 size = sizeof(info);
    const int error = bpf_obj_get_info_by_fd(fd, &info, &size);
    ::close(fd);
    return error == 0 ? info.name : "?";
}

std::set<std::uint32_t> all_ids(int (*next)(__u32, __u32*)) {
    std::set<std::uint32_t> ids;
    for (__u32 id = 0; next(id, &id) == 0;) ids.insert(id);
    return ids;
}

void keep_known(std::map<std::uint32_t, std::string>& objects, const std::set<std::uint32_t>& ids) {
    std::erase_if(objects, [&](const auto& entry) { return !ids.contains(entry.first); });
}

}  // namespace

std::string BpfObjects::text() const {
    std::string text;
    for (const auto& [id, name] : programs) text += " program " + std::to_string(id) + " " + name;
    for (const auto& [id, name] : maps) text += " map " + std::to_string(id) + " " + name;
    return text;
}

BpfObjects bpf_objects_of(pid_t pid) {
    BpfObjects objects;
    const std::string folder = "/proc/" + std::to_string(pid) + "/fdinfo";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        std::ifstream file(entry.path());
        for (std::string key, value; file >> key >> value; file.ignore(1000, '\n')) {
            if (key != "prog_id:" && key != "map_id:") continue;
            const auto id = static_cast<std::uint32_t>(std::stoul(value));
            if (key == "prog_id:") objects.programs[id] = name_of<bpf_prog_info>(bpf_prog_get_fd_by_id(id));
            if (key == "map_id:") objects.maps[id] = name_of<bpf_map_info>(bpf_map_get_fd_by_id(id));
        }
    }
    return objects;
}

BpfObjects still_there(const BpfObjects& objects) {
    BpfObjects left = objects;
    keep_known(left.programs, all_ids(bpf_prog_get_next_id));
    keep_known(left.maps, all_ids(bpf_map_get_next_id));
    return left;
}

bool all_gone(const BpfObjects& objects) {
    return wait_until([&] { return still_there(objects).empty(); });
}

std::uint64_t events_submitted(pid_t pid) {
    for (const auto& [id, name] : bpf_objects_of(pid).maps) {
        if (name != "counters") continue;
        const int fd = bpf_map_get_fd_by_id(id);
        std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        const __u32 slot = BT_COUNT_EVENTS;
        const int error = bpf_map_lookup_elem(fd, &slot, per_cpu.data());
        ::close(fd);
        if (error != 0) break;
        std::uint64_t sum = 0;
        for (const std::uint64_t value : per_cpu) sum += value;
        return sum;
    }
    throw std::runtime_error("no map `counters` in process " + std::to_string(pid));
}

}  // namespace bindtrace
