// Sync inside a core: events between pipes, and barriers of a pipe.
//
// In:  SetFlag, WaitFlag, PipeBarrier of the text. Out: their laws, and what they order.
// Not here: sync between cores (`flags.h`).
//
// Laws: ids below 6; both pipes exist in this kind of core; a second SetFlag only when it is certain that the
// WaitFlag of the first is over, whatever the seed; nothing is set at the end. A SetFlag covers all that its
// pipe was given before it; a WaitFlag holds up its pipe, and the scalar unit only if that is the pipe.
#pragma once
#include <string>

#include "core.h"

namespace AscendC {
enum class HardEvent : int {  // source pipe · 8 + destination pipe
#define MPMD_EVENT(source, destination) source##_##destination = PIPE_##source * 8 + PIPE_##destination
    MPMD_EVENT(S, V),
    MPMD_EVENT(S, M),
    MPMD_EVENT(S, MTE1),
    MPMD_EVENT(S, MTE2),
    MPMD_EVENT(S, MTE3),
    MPMD_EVENT(S, FIX),
    MPMD_EVENT(V, S),
    MPMD_EVENT(V, MTE2),
    MPMD_EVENT(V, MTE3),
    MPMD_EVENT(M, S),
    MPMD_EVENT(M, MTE1),
    MPMD_EVENT(M, MTE2),
    MPMD_EVENT(M, FIX),
    MPMD_EVENT(MTE1, S),
    MPMD_EVENT(MTE1, M),
    MPMD_EVENT(MTE1, MTE2),
    MPMD_EVENT(MTE1, FIX),
    MPMD_EVENT(MTE2, S),
    MPMD_EVENT(MTE2, V),
    MPMD_EVENT(MTE2, M),
    MPMD_EVENT(MTE2, MTE1),
    MPMD_EVENT(MTE2, MTE3),
    MPMD_EVENT(MTE2, FIX),
    MPMD_EVENT(MTE3, S),
    MPMD_EVENT(MTE3, V),
    MPMD_EVENT(MTE3, MTE2),
    MPMD_EVENT(FIX, S),
    MPMD_EVENT(FIX, M),
    MPMD_EVENT(FIX, MTE1),
    MPMD_EVENT(FIX, MTE2),
#undef MPMD_EVENT
};
}  // namespace AscendC

enum event_t { EVENT_ID0 = 0, EVENT_ID1, EVENT_ID2, EVENT_ID3, EVENT_ID4, EVENT_ID5, EVENT_ID6, EVENT_ID7 };

namespace mpmd::ascend {

struct EventName {
    pipe_t source, destination;
    int id;

    std::string text() const {
        return std::string(pipe_names[source]) + "_" + pipe_names[destination] + " " + std::to_string(id);
    }
};

inline Event& event_of(Core& self, EventName name) {
    return self.events[{name.source * 8 + name.destination, name.id}];
}

inline void require_event(EventName name, const std::string& what, sim::Place place) {
    require_pipe(name.source, what, place);
    require_pipe(name.destination, what, place);
    if (name.id < 0 || name.id >= machine.events)
        fail("event-id", name.source, what + ": event ids are 0 to " + std::to_string(machine.events - 1),
             place);
}

inline void set_event(Core& self, EventName name, int site, sim::Place place) {
    Event& event = event_of(self, name);
    sim::Actor& source = *self.unit(name.source).actor;
    if (event.set || !source.after(event.consumed))
        engine().report("event-set-twice",
                        "event " + name.text() + " of " + self.name + " is set again, and no wait since " +
                            event.place.text() + " is certain to be over",
                        source.number(), place);
    event.set = true;
    event.clock = name.source == PIPE_S ? self.all_of_scalar() : source.release();
    event.site = site;
    event.place = place;
    engine().scheduler.open(event.gate);
}

inline void wait_event(Core& self, EventName name, int site, sim::Place place) {
    Event& event = event_of(self, name);
    sim::Actor& destination = *self.unit(name.destination).actor;
    event.waited = place;
    while (!event.set)
        engine().scheduler.block(event.gate, "waits event " + name.text() + " at " + place.text(), place);
    event.set = false;
    destination.acquire(event.clock);
    event.consumed = destination.begin();
    engine().sites.pair(event.site, site);
}

// On the pipe: at once for the scalar unit, in the queue for the others.
template <typename Effect>
void on(pipe_t pipe, Effect effect) {
    if (pipe == PIPE_S)
        effect();
    else
        issue(pipe, effect);
}

inline void set_flag(EventName name, int site, sim::Place place) {
    require_event(name, "SetFlag " + name.text(), place);
    on(name.source, [&self = core(), name, site, place] { set_event(self, name, site, place); });
    engine().scheduler.yield();
}

inline void wait_flag(EventName name, int site, sim::Place place) {
    require_event(name, "WaitFlag " + name.text(), place);
    on(name.destination, [&self = core(), name, site, place] { wait_event(self, name, site, place); });
    engine().scheduler.yield();
}

// All pipes are empty, and the scalar unit knows what they have done.
inline void barrier_of_all(Core& self, sim::Place place) {
    for (int pipe = PIPE_V; pipe < pipes; ++pipe) {
        Unit& unit = self.unit(static_cast<pipe_t>(pipe));
        if (!unit.actor) continue;
        while (!unit.queue.empty())
            engine().scheduler.block(
                unit.drained, "waits for pipe " + std::string(pipe_names[static_cast<std::size_t>(pipe)]),
                place);
        self.scalar().acquire(unit.actor->release());
    }
    self.scalar().acquire(self.elements->release());
}

inline void pipe_barrier(pipe_t pipe, sim::Place place) {
    require_pipe(pipe, "PipeBarrier", place);
    if (pipe == PIPE_ALL)
        barrier_of_all(core(), place);
    else
        on(pipe, [&unit = core().unit(pipe)] { unit.actor->fence(); });
    engine().scheduler.yield();
}

// Events that are set when the kernel is over; waits for events that nobody can set any more.
inline void leftover_events(Core& self) {
    for (const auto& [key, event] : self.events) {
        if (!event.set) continue;
        const EventName name{static_cast<pipe_t>(key.first / 8), static_cast<pipe_t>(key.first % 8),
                             key.second};
        engine().report(
            "event-left",
            "event " + name.text() + " of " + self.name + " is set at the end, and nobody waits for it",
            self.unit(name.source).actor->number(), event.place);
    }
}

inline void unset_events(Core& self) {
    for (const auto& [key, event] : self.events) {
        const EventName name{static_cast<pipe_t>(key.first / 8), static_cast<pipe_t>(key.first % 8),
                             key.second};
        const bool nobody = self.unit(name.source).queue.empty() &&
                            (engine().scheduler.finished(self.fiber) || name.destination == PIPE_S);
        if (event.gate.waiting.empty() || !nobody) continue;
        sim::Actor& waiter = *self.unit(name.destination).actor;
        engine().report("event-unset", waiter.name() + " waits event " + name.text() + ", which nobody sets",
                        waiter.number(), event.waited);
    }
}

}  // namespace mpmd::ascend
