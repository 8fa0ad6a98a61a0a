// Sync between cores: flags that count.
//
// In:  CrossCoreSetFlag, CrossCoreWaitFlag of the text. Out: their laws, and what they order.
// Not here: words in global memory (`scalar.h`).
//
// Modes: 0 all AICs or all AIVs, 1 the AIVs of one group, 2 an AIC and its AIVs. Where several cores set one
// flag, it gains 1 when each of them has set it once more, and who waits learns what all of them knew. Laws:
// ids 0 to 15 without 11 to 14; counts up to 15; the core has the pipe; nothing is left at the end.
#pragma once
#include <string>

#include "sync.h"

namespace mpmd::ascend {

inline void require_flag(int id, const std::string& what, sim::Place place) {
    if (id < 0 || id >= machine.flags)
        fail("flag-id", PIPE_S, what + ": flag ids are 0 to " + std::to_string(machine.flags - 1), place);
    if (id >= machine.first_reserved_flag && id <= machine.last_reserved_flag)
        fail("flag-id", PIPE_S,
             what + ": flags " + std::to_string(machine.first_reserved_flag) + " to " +
                 std::to_string(machine.last_reserved_flag) + " belong to SyncAll",
             place);
}

inline void require_mode(int mode, const std::string& what, sim::Place place) {
    if (mode < 0 || mode > 2) fail("flag-mode", PIPE_S, what + ": modes are 0, 1 and 2", place);
    if (mode == 1 && core().kind == Kind::cube)
        fail("flag-mode", PIPE_S,
             what + ": mode 1 is between the AIVs of a group, and this is " + core().name, place);
}

// Which cores set a flag together, and which ones gain it then.
inline bool together(const Core& one, const Core& other, int mode) {
    return one.kind == other.kind && (mode == 0 || one.group == other.group);
}

inline bool gains(const Core& setter, const Core& other, int mode) {
    return mode == 2 ? setter.kind != other.kind && setter.group == other.group
                     : together(setter, other, mode);
}

inline bool overflows(std::size_t count, const std::string& whose, int id, sim::Actor& actor,
                      sim::Place place) {
    if (count < static_cast<std::size_t>(machine.flag_maximum)) return false;
    engine().report("flag-overflow",
                    "flag " + std::to_string(id) + " of " + whose + " counts beyond " +
                        std::to_string(machine.flag_maximum),
                    actor.number(), place);
    return true;
}

inline void gain(Core& setter, int mode, int id, const sim::Snapshot& clock, sim::Actor& actor,
                 sim::Place place) {
    for (auto& other : run().cores) {
        if (!gains(setter, *other, mode)) continue;
        Flag& flag = other->flags[static_cast<std::size_t>(id)];
        if (overflows(flag.pending.size(), other->name, id, actor, place)) continue;
        flag.pending.push_back({clock, place});
        engine().scheduler.open(flag.gate);
    }
}

inline void set_cross(Core& self, int mode, pipe_t pipe, int id, sim::Place place) {
    sim::Actor& actor = *self.unit(pipe).actor;
    auto& arrived = run().arrivals[{mode, static_cast<int>(self.kind), mode == 0 ? -1 : self.group, id}];
    arrived.resize(run().cores.size());
    auto& mine = arrived[static_cast<std::size_t>(self.number)];
    if (overflows(mine.size(), self.name + " alone", id, actor, place)) return;
    mine.push_back({actor.release(), place});
    auto all = std::make_shared<sim::Clock>();
    for (auto& other : run().cores) {
        if (!together(self, *other, mode)) continue;
        auto& queue = arrived[static_cast<std::size_t>(other->number)];
        if (queue.empty()) return;
        all->join(*queue.front().clock);
    }
    for (auto& other : run().cores)
        if (together(self, *other, mode)) arrived[static_cast<std::size_t>(other->number)].pop_front();
    gain(self, mode, id, all, actor, place);
}

inline void wait_cross(Core& self, pipe_t pipe, int id, sim::Place place) {
    Flag& flag = self.flags[static_cast<std::size_t>(id)];
    while (flag.pending.empty())
        engine().scheduler.block(flag.gate, "waits flag " + std::to_string(id) + " at " + place.text(),
                                 place);
    self.unit(pipe).actor->acquire(flag.pending.front().clock);
    flag.pending.pop_front();
}

inline void cross_set_flag(int mode, pipe_t pipe, int id, sim::Place place) {
    const std::string what = "CrossCoreSetFlag of flag " + std::to_string(id);
    require_pipe(pipe, what, place);
    require_flag(id, what, place);
    require_mode(mode, what, place);
    on(pipe, [&self = core(), mode, pipe, id, place] { set_cross(self, mode, pipe, id, place); });
    engine().scheduler.yield();
}

inline void cross_wait_flag(pipe_t pipe, int id, sim::Place place) {
    const std::string what = "CrossCoreWaitFlag of flag " + std::to_string(id);
    require_pipe(pipe, what, place);
    require_flag(id, what, place);
    on(pipe, [&self = core(), pipe, id, place] { wait_cross(self, pipe, id, place); });
    engine().scheduler.yield();
}

inline void leftover_flags() {
    for (auto& self : run().cores)
        for (std::size_t id = 0; id < self->flags.size(); ++id)
            if (const auto left = self->flags[id].pending.size())
                engine().report("flag-left",
                                "flag " + std::to_string(id) + " of " + self->name + " is left at " +
                                    std::to_string(left),
                                self->scalar().number(), self->flags[id].pending.front().place);
    for (const auto& [key, arrived] : run().arrivals)
        for (std::size_t i = 0; i < arrived.size(); ++i)
            if (const auto left = arrived[i].size()) {
                Core& self = *run().cores[i];
                engine().report("flag-left",
                                "flag " + std::to_string(key[3]) + " was set " + std::to_string(left) +
                                    " times more by " + self.name + " than by who sets it with it",
                                self.scalar().number(), arrived[i].front().place);
            }
}

}  // namespace mpmd::ascend
