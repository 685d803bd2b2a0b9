// SPDX-License-Identifier: MIT
// The objects that several kinds of records have in them, each with its key and the comma before it but for the
// process.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/record.h"
#include "sink/json_line.h"
#include "sink/time_format.h"

namespace bindtrace {

inline constexpr int kJsonVersion = 1;

// Empty for another family.
std::string_view family_word(std::uint16_t family);

void write_sockopt(JsonLine& line, bool known, const bt_sock& sock);

void write_socket(JsonLine& line, const bt_sock& sock, std::uint8_t state, std::optional<std::string_view> cgroup_path,
                  bool is_tcp);

void write_netns(JsonLine& line, std::uint32_t inum, std::optional<std::string_view> name);

// unit, unit_type, slice, session and socket_unit.
void write_place(JsonLine& line, const UnitPlace& place, std::optional<std::string_view> socket_unit);

// container and pod.
void write_container(JsonLine& line, const ContainerFacts& facts);

struct ProcessFields {
    const bt_task& task;
    const Process* process;  // may be null
    std::optional<std::string_view> user;
    std::optional<std::int64_t> start_time_ns;
};

void write_process(JsonLine& line, const ProcessFields& fields, UtcTimeFormat& start_time);

}  // namespace bindtrace
