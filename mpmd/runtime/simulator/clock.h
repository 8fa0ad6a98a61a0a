// Vector clocks: what has happened before what.
//
// In:  numbers of actors. Out: `Clock`, `Epoch`, `Actor`.
// Not here: who waits for whom (`scheduler.h`), what is compared (`shadow.h`).
//
// An actor is whatever works on its own: a thread, a core's scalar unit, one of its pipes. Each piece of work
// of an actor has an epoch (actor, tick). Pieces of an *overlapping* actor are not ordered with each other by
// their order alone, but only by a fence; what the actor releases covers all of them either way.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mpmd::sim {

using Tick = std::uint32_t;

struct Epoch {
    std::uint32_t actor = 0;
    Tick tick = 0;  // 0: nothing yet

    bool operator==(const Epoch& other) const { return actor == other.actor && tick == other.tick; }
};

class Clock {
public:
    Tick of(std::uint32_t actor) const { return actor < ticks_.size() ? ticks_[actor] : 0; }

    void set(std::uint32_t actor, Tick tick) {
        if (actor >= ticks_.size()) ticks_.resize(actor + 1, 0);
        ticks_[actor] = tick;
    }

    void join(const Clock& other) {
        if (other.ticks_.size() > ticks_.size()) ticks_.resize(other.ticks_.size(), 0);
        for (std::size_t i = 0; i < other.ticks_.size(); ++i)
            ticks_[i] = std::max(ticks_[i], other.ticks_[i]);
    }

    bool covers(Epoch epoch) const { return epoch.tick <= of(epoch.actor); }

private:
    std::vector<Tick> ticks_;
};

using Snapshot = std::shared_ptr<const Clock>;

class Actor {
public:
    Actor(std::uint32_t number, std::string name, bool overlapping)
        : number_(number), name_(std::move(name)), overlapping_(overlapping) {}

    std::uint32_t number() const { return number_; }
    const std::string& name() const { return name_; }

    // A new piece of work begins; everything that it touches carries this epoch.
    Epoch begin() {
        released_.reset();
        return {number_, ++tick_};
    }

    // All earlier work of this actor is complete before any later work begins.
    void fence() { fenced_ = tick_; }

    // What this actor has done and knows. One value is shared until there is news.
    Snapshot release() {
        if (!released_) {
            auto clock = std::make_shared<Clock>(known_);
            clock->set(number_, tick_);
            released_ = std::move(clock);
        }
        return released_;
    }

    void acquire(const Snapshot& clock) {
        if (!clock || clock == released_ || clock == acquired_) return;
        known_.join(*clock);
        fenced_ = std::max(fenced_, clock->of(number_));
        released_.reset();
        acquired_ = clock;
    }

    // Whether the work that has this epoch was complete before work that begins now.
    bool after(Epoch epoch) const {
        if (epoch.actor != number_) return known_.covers(epoch);
        return epoch.tick <= (overlapping_ ? fenced_ : tick_);
    }

private:
    std::uint32_t number_;
    std::string name_;
    bool overlapping_;
    Tick tick_ = 0;
    Tick fenced_ = 0;
    Clock known_;
    Snapshot released_, acquired_;
};

}  // namespace mpmd::sim
