// The machine: what an Atlas A2/A3 (2201) has. What differs on another one differs in this table.
//
// In:  – . Out: `Machine`, the names of pipes and memories.
// Not here: what instructions do.
#pragma once
#include <array>
#include <cstdint>

enum pipe_t { PIPE_S = 0, PIPE_V, PIPE_M, PIPE_MTE1, PIPE_MTE2, PIPE_MTE3, PIPE_FIX, PIPE_ALL };

namespace mpmd::ascend {

constexpr int pipes = 7;
constexpr std::array<const char*, 8> pipe_names = {"S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX", "ALL"};

enum class Kind { cube, vector };

enum class Space { ub, l1, l0a, l0b, l0c };

struct Storage {
    const char* name;
    std::uint32_t bytes;  // that a kernel may use
    std::uint32_t alignment;
    Kind kind;
};

struct Machine {
    std::array<Storage, 5> storage;          // by Space
    std::array<std::array<bool, 7>, 2> has;  // by Kind: which pipes
    std::array<bool, 7> overlapping;         // pipes whose instructions are ordered by PipeBarrier only
    int groups;                              // of one die
    int vectors;                             // AIVs of a group
    int events;                              // usable ids
    int flags;
    int first_reserved_flag, last_reserved_flag;
    int flag_maximum;
};

constexpr Machine machine = {
    {{{"UB", 184 * 1024 - 256, 32, Kind::vector},
      {"L1", 512 * 1024 - 256, 32, Kind::cube},
      {"L0A", 64 * 1024, 512, Kind::cube},
      {"L0B", 64 * 1024, 512, Kind::cube},
      {"L0C", 128 * 1024, 64, Kind::cube}}},
    {{{true, false, true, true, true, false, true}, {true, true, false, false, true, true, false}}},
    {false, true, false, false, true, true, false},
    24,
    2,
    6,
    16,
    11,
    14,
    15,
};

}  // namespace mpmd::ascend
