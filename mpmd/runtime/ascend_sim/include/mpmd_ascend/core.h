// Cores and their pipes: who works, and what is queued where.
//
// In:  the options of a run. Out: `Run`, `Core`, `issue`, `fail`.
// Not here: sync (`sync.h`), global memory (`global.h`), instructions.
//
// The scalar unit of a core is a fiber that runs the kernel's text. Each other pipe is a server: instructions
// come to its queue with what the scalar unit knows, and take effect in order, when the scheduler lets them. What
// the scalar unit does with elements of on-chip memory is over for itself at once, and for its pipes only when an
// event or a barrier says so: it is the work of an actor of its own.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "global.h"
#include "machine.h"

namespace mpmd::ascend {

struct Event {  // SetFlag … WaitFlag inside a core
    bool set = false;
    sim::Snapshot clock;
    int site = -1;
    sim::Place place;
    sim::Epoch consumed;  // by the last wait
    sim::Place waited;    // where that stands
    sim::Gate gate;
};

struct Signal {  // one CrossCoreSetFlag
    sim::Snapshot clock;
    sim::Place place;
};

struct Flag {  // CrossCoreSetFlag … CrossCoreWaitFlag
    std::deque<Signal> pending;
    sim::Gate gate;
};

struct Unit {
    sim::Actor* actor = nullptr;  // none: the core has no such pipe
    std::deque<std::function<void()>> queue;
    sim::Gate arrived, drained;
};

struct Core {
    Core(Kind its_kind, int its_group, int its_sub)
        : kind(its_kind),
          group(its_group),
          sub(its_sub),
          index(kind == Kind::cube ? group : group * machine.vectors + sub),
          name((kind == Kind::cube ? "AIC" : "AIV") + std::to_string(index)) {
        for (const auto& storage : machine.storage)
            memories.emplace_back(name + "." + storage.name, storage.kind == kind ? storage.bytes : 0);
    }

    Unit& unit(pipe_t pipe) { return units[static_cast<std::size_t>(pipe)]; }
    sim::Actor& scalar() { return *unit(PIPE_S).actor; }
    // What the scalar unit knows, with what it has done to on-chip memory.
    sim::Snapshot all_of_scalar() {
        auto both = std::make_shared<sim::Clock>(*scalar().release());
        both->join(*elements->release());
        return both;
    }
    sim::Memory& memory(Space space) { return memories[static_cast<std::size_t>(space)]; }

    Kind kind;
    int group, sub, index;
    std::string name;
    int number = -1;     // among all cores
    bool ready = false;  // InitSocState has run
    int fiber = -1;
    std::array<Unit, pipes> units;
    sim::Actor* elements = nullptr;  // of on-chip memory, as the scalar unit reads and writes them
    std::vector<sim::Memory> memories;
    std::map<std::pair<int, int>, Event> events;  // by (source pipe · 8 + destination pipe, id)
    std::array<Flag, 16> flags;
    Cache cache;
};

struct Run {
    Run(std::uint64_t seed, long poll_limit, std::set<int> dropped, int its_groups)
        : engine(seed, poll_limit, std::move(dropped)), groups(its_groups) {}

    sim::Engine engine;
    Global global;
    int groups;
    std::vector<std::unique_ptr<Core>> cores;
    std::vector<Core*> by_fiber;                                             // nullptr for servers
    std::map<std::array<int, 4>, std::vector<std::deque<Signal>>> arrivals;  // see `flags.h`
};

inline Run*& current_run() {
    static Run* run = nullptr;
    return run;
}

inline Run& run() { return *current_run(); }
inline sim::Engine& engine() { return run().engine; }

// The core whose scalar unit runs now.
inline Core& core() { return *run().by_fiber[static_cast<std::size_t>(engine().scheduler.current())]; }

// A law is broken such that nothing after it means anything: the run ends.
[[noreturn]] inline void fail(const char* law, pipe_t pipe, const std::string& message, sim::Place place) {
    Core& self = core();
    sim::Actor* actor = pipe == PIPE_ALL ? nullptr : self.unit(pipe).actor;
    engine().fatal(law, message, (actor ? *actor : self.scalar()).number(), place);
}

inline void require_pipe(pipe_t pipe, const std::string& what, sim::Place place) {
    if (!core().ready) fail("init", PIPE_S, what + " comes before InitSocState", place);
    if (pipe != PIPE_ALL && !core().unit(pipe).actor)
        fail("pipe", pipe, what + " needs pipe " + pipe_names[pipe] + ", which " + core().name + " has not",
             place);
}

// Puts an instruction into a pipe's queue; the scalar unit goes on at once.
inline void issue(pipe_t pipe, std::function<void()> effect) {
    Unit& unit = core().unit(pipe);
    unit.queue.emplace_back([&unit, known = core().scalar().release(), effect = std::move(effect)] {
        unit.actor->acquire(known);
        effect();
    });
    engine().scheduler.open(unit.arrived);
}

inline void serve(Unit& unit) {
    auto& scheduler = engine().scheduler;
    for (;;) {
        while (unit.queue.empty()) scheduler.block(unit.arrived, "");
        unit.queue.front()();
        unit.queue.pop_front();
        if (unit.queue.empty()) scheduler.open(unit.drained);
        scheduler.yield();
    }
}

}  // namespace mpmd::ascend
