// The engine of the functional simulators: fibers, sync sites, happens-before, reports.
//
// In:  options of a run; a front's programs. Out: `Engine`, and its findings as JSON.
// Not here: any machine. A front is a set of headers that stand in for a vendor's, written on this.
//
// How a front uses it:
//   1. For a run, make an `Engine`. Give it an actor for each thing that works on its own (`actor`): those that
//      may complete their pieces of work in any order are `overlapping`, until a fence.
//   2. Spawn a fiber for each program (`scheduler.spawn`). An asynchronous unit is a fiber too, a server: it
//      takes work from a queue of the front's and blocks, doing "", while there is none.
//   3. Sync: who signals stores `actor.release()` with the event and opens its gate; who waits blocks on the
//      gate until the event is there (look again in a loop) and then does `actor.acquire(clock)`. Each sync
//      statement asks `sites.enter` first and does nothing if it is to be dropped. Take its number from
//      `__COUNTER__` in a macro: two statements in one line, or one in a template, then have what is theirs.
//   4. Memory: `begin` a piece of work and call `read` and `write` with the ranges that it touches, when it
//      takes effect. Words that are polled: `atomic` accesses, and `words` for what readers learn; after each
//      read, `scheduler.poll`.
//   5. A broken law: `report`. `fatal` ends the run there: for what cannot be gone on from.
//   6. `run`, then look for what is left over, then `json`.
// Everything that a fiber owns must be owned elsewhere than on its stack (see `fiber.h`).
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "clock.h"
#include "memory.h"
#include "report.h"
#include "scheduler.h"
#include "shadow.h"
#include "site.h"

namespace mpmd::sim {

class Engine {
public:
    Engine(std::uint64_t seed, long poll_limit, std::set<int> dropped)
        : scheduler(seed, poll_limit), sites(std::move(dropped)) {}

    Scheduler scheduler;
    Sites sites;
    Reports reports;
    Words words;

    // The core and the unit of it that work; `name` is "" where a core is one unit.
    Actor& actor(const std::string& core, const std::string& unit, bool overlapping) {
        units_.push_back({core, unit});
        actors_.emplace_back(static_cast<std::uint32_t>(actors_.size()),
                             unit.empty() ? core : core + "." + unit, overlapping);
        return actors_.back();
    }

    Access begin(Actor& actor, Place place, const char* what, bool atomic = false) {
        return {&actor, actor.begin(), label(place, what), atomic};
    }

    void read(Memory& memory, std::uint64_t first, std::uint64_t bytes, const Access& access) {
        touch(memory, first, bytes, false, access);
    }

    void write(Memory& memory, std::uint64_t first, std::uint64_t bytes, const Access& access) {
        touch(memory, first, bytes, true, access);
    }

    void report(const std::string& kind, const std::string& message, std::uint32_t actor, Place place) {
        reports.add({kind, message, units_[actor].first, units_[actor].second, place});
    }

    // A broken law after which the rest means nothing. Called on a fiber; does not return.
    [[noreturn]] void fatal(const std::string& kind, const std::string& message, std::uint32_t actor,
                            Place place) {
        report(kind, message, actor, place);
        scheduler.stop();
    }

    // Runs all fibers to their end; a deadlock and polling without progress become reports. `at_deadlock` may
    // report first what the front knows better.
    End run(const std::function<void()>& at_deadlock = {}) {
        const End end = scheduler.run();
        if (end == End::deadlock && at_deadlock) at_deadlock();
        if (end == End::deadlock) hang("deadlock", "no runnable core; ");
        if (end == End::no_progress) hang("no-progress", "nothing has happened any more; ");
        return end;
    }

    std::string json() const {
        return "{\"reports\":" + reports.json() + ",\"sites\":" + sites.json() +
               ",\"pairs\":" + sites.pairs_json() + "}";
    }

private:
    struct Label {
        Place place;
        std::string what;
    };

    std::uint32_t label(Place place, const char* what) {
        const auto key = std::make_tuple(place.file, place.line,
                                         what);  // the addresses: equal texts may differ, harmlessly
        const auto [found, fresh] = numbers_.emplace(key, static_cast<std::uint32_t>(labels_.size()));
        if (fresh) labels_.push_back({place, what});
        return found->second;
    }

    void touch(Memory& memory, std::uint64_t first, std::uint64_t bytes, bool write, const Access& access) {
        Conflict conflict;
        if (bytes == 0 || memory.shadow.touch(first, bytes, write, access, conflict)) return;
        const auto& mine = labels_[access.label];
        const auto& other = labels_[conflict.touch.label];
        report("race",
               mine.what + " of " + access.actor->name() + (write ? " writes " : " reads ") + memory.name +
                   " at byte " + std::to_string(conflict.address) + ", which " + other.what + " of " +
                   actors_[conflict.touch.epoch.actor].name() + (conflict.written ? " writes" : " reads") +
                   " at " + other.place.text() + "; nothing orders them",
               access.epoch.actor, mine.place);
    }

    // Who waits for what; the report stands at the first of them.
    void hang(const char* kind, const char* reason) {
        const auto stuck = scheduler.stuck();
        std::string waits;
        for (const auto& each : stuck) waits += (waits.empty() ? "" : ", ") + each.name + " " + each.doing;
        reports.add({kind, reason + waits, stuck.front().name, "", stuck.front().place});
    }

    std::deque<Actor> actors_;
    std::vector<std::pair<std::string, std::string>> units_;
    std::vector<Label> labels_;
    std::map<std::tuple<const char*, int, const char*>, std::uint32_t> numbers_;
};

}  // namespace mpmd::sim
