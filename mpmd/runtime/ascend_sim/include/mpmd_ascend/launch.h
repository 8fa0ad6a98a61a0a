// A run: cores and buffers made, the kernel started on every core, what is left over at the end looked for.
//
// In:  `Setup`, as `run.py` fills it in; a kernel. Out: findings as JSON; buffers written in place.
// Not here: the laws (the other headers), what a finding means to a user (`run.py`).
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "mpmd_ascend/statements.h"

namespace mpmd::ascend {

struct BufferSetup {
    const char* name;
    void* data;
    std::uint64_t bytes;
    std::int32_t defined;   // 0: begins as poison
    std::int32_t argument;  // where its address goes in the kernel's argument, in bytes
};

struct Setup {
    std::uint64_t seed;
    std::int64_t poll_limit;
    std::int32_t groups, cubes, vectors;  // of a group: how many of each
    std::int32_t dropped_count;
    const std::int32_t* dropped;
    std::int32_t buffer_count;
    std::int32_t argument_bytes;
    const BufferSetup* buffers;
    unsigned char* argument;
};

inline void add_core(Kind kind, int group, int sub) {
    Run& all = run();
    all.cores.push_back(std::make_unique<Core>(kind, group, sub));
    Core& self = *all.cores.back();
    self.number = static_cast<int>(all.cores.size()) - 1;
    for (int pipe = 0; pipe < pipes; ++pipe) {
        if (!machine.has[static_cast<std::size_t>(kind)][static_cast<std::size_t>(pipe)]) continue;
        self.units[static_cast<std::size_t>(pipe)].actor =
            &engine().actor(self.name, pipe_names[static_cast<std::size_t>(pipe)],
                            machine.overlapping[static_cast<std::size_t>(pipe)]);
    }
    self.elements = &engine().actor(self.name, pipe_names[PIPE_S], false);
}

template <typename Start>
void spawn(Core& self, Start start) {
    auto& scheduler = engine().scheduler;
    self.fiber = scheduler.spawn(self.name, false, 1 << 18, start);
    auto& by_fiber = run().by_fiber;
    by_fiber.resize(static_cast<std::size_t>(self.fiber) + 1, nullptr);
    by_fiber.back() = &self;
    for (int pipe = PIPE_V; pipe < pipes; ++pipe) {
        Unit& unit = self.units[static_cast<std::size_t>(pipe)];
        if (unit.actor) scheduler.spawn(unit.actor->name(), true, 1 << 16, [&unit] { serve(unit); });
    }
}

inline void leftovers() {
    for (auto& self : run().cores) {
        leftover_events(*self);
        leftover_lines(*self);
    }
    leftover_flags();
}

inline void unset() {
    for (auto& self : run().cores) unset_events(*self);
}

template <typename Argument>
void prepare(const Setup& setup, Argument& argument) {
    for (int i = 0; i < setup.buffer_count; ++i) {
        const BufferSetup& buffer = setup.buffers[i];
        run().global.add(buffer.name, buffer.bytes, buffer.data, buffer.defined != 0);
        const void* address = run().global[static_cast<std::size_t>(i)].memory.bytes.data();
        std::memcpy(setup.argument + buffer.argument, &address, sizeof address);
    }
    std::memcpy(&argument, setup.argument, sizeof argument);
    for (int group = 0; group < setup.groups; ++group) {
        for (int i = 0; i < setup.cubes; ++i) add_core(Kind::cube, group, i);
        for (int i = 0; i < setup.vectors; ++i) add_core(Kind::vector, group, i);
    }
}

inline void collect(const Setup& setup) {
    for (int i = 0; i < setup.buffer_count; ++i)
        std::memcpy(setup.buffers[i].data, run().global[static_cast<std::size_t>(i)].memory.bytes.data(),
                    setup.buffers[i].bytes);
}

inline bool enough_cores(int groups) {
    if (groups >= 1 && groups <= machine.groups) return true;
    engine().reports.add(
        {"groups",
         std::to_string(groups) + " groups of cores, and there are " + std::to_string(machine.groups),
         "",
         "",
         {}});
    return false;
}

template <typename Argument>
void execute(void (*kernel)(Argument), const Setup& setup) {
    Argument argument;
    prepare(setup, argument);
    for (auto& self : run().cores) spawn(*self, [kernel, argument] { kernel(argument); });
    if (engine().run(unset) == sim::End::completed) leftovers();
    collect(setup);
}

template <typename Argument>
const char* simulate(void (*kernel)(Argument), const Setup& setup) {
    static std::string result;
    std::set<int> dropped(setup.dropped, setup.dropped + setup.dropped_count);
    Run all(setup.seed, setup.poll_limit, std::move(dropped), setup.groups);
    current_run() = &all;
    if (enough_cores(setup.groups)) execute(kernel, setup);
    result = all.engine.json();
    current_run() = nullptr;
    return result.c_str();
}

template <typename Argument>
constexpr int bytes_of(void (*)(Argument)) {
    return static_cast<int>(sizeof(Argument));
}

}  // namespace mpmd::ascend

#define MPMD_LAUNCH(KERNEL)                                                       \
    extern "C" __attribute__((visibility("default"))) int mpmd_argument_bytes() { \
        return ::mpmd::ascend::bytes_of(KERNEL);                                  \
    }                                                                             \
    extern "C" __attribute__((visibility("default"))) const char* mpmd_simulate(  \
        const ::mpmd::ascend::Setup* setup) {                                     \
        return ::mpmd::ascend::simulate(KERNEL, *setup);                          \
    }
