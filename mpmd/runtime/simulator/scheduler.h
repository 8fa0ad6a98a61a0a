// The scheduler: which fiber runs next, by a seed, and whether anything can run at all.
//
// In:  fibers, a seed, a limit for polling. Out: `Scheduler`, `Gate`, how the run ended.
// Not here: what fibers do, what is a race (`shadow.h`).
//
// A fiber runs until it blocks, polls or yields. Then one of those that can run is drawn. A quarter of the
// fibers, drawn from the seed too, are lazy: passed over most of the time, so that copies complete late and
// cores fall behind. Same seed, same text, same arguments: same run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fiber.h"
#include "report.h"

namespace mpmd::sim {

class Random {  // splitmix64 (Steele, Lea & Flood 2014)
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

private:
    std::uint64_t state_;
};

// A place where fibers wait until somebody opens it; they look again for themselves.
struct Gate {
    std::vector<int> waiting;
};

enum class End { completed, deadlock, no_progress, stopped };

class Scheduler {
public:
    Scheduler(std::uint64_t seed, long poll_limit) : random_(seed), poll_limit_(poll_limit) {}

    // A fiber that may start when it is drawn. A `server` works for others and need not end.
    int spawn(std::string name, bool server, std::size_t stack_bytes, std::function<void()> body) {
        const int number = static_cast<int>(fibers_.size());
        const bool lazy = random_.below(4) == 0;
        fibers_.push_back(
            {std::make_unique<Fiber>(stack_bytes, std::move(body)), std::move(name), server, lazy});
        runnable_.push_back(number);
        return number;
    }

    End run() {
        while (!stopped_ && !runnable_.empty()) {
            const std::size_t slot = draw();
            current_ = runnable_[slot];
            runnable_[slot] = runnable_.back();
            runnable_.pop_back();
            fibers_[static_cast<std::size_t>(current_)].fiber->enter();
            if (fruitless_ > poll_limit_) return End::no_progress;
        }
        if (stopped_) return End::stopped;
        return stuck().empty() ? End::completed : End::deadlock;
    }

    int current() const { return current_; }

    // -- for the fiber that runs --

    // Others may go first. What was done since the last time is progress.
    void yield() {
        progress();
        leave_runnable();
    }

    // Others may go first, since what was read (`place` holding `value`) was not what is hoped for. Reading
    // anything that this fiber has not read since it last got on is progress; the same again is not.
    void poll(std::uint64_t place, std::uint64_t value, const std::string& doing, Place at = {}) {
        auto& self = fibers_[static_cast<std::size_t>(current_)];
        const std::pair<std::uint64_t, std::uint64_t> seen{place, value};
        bool old = false;
        for (const auto& other : self.polled) old = old || other == seen;
        if (old) {
            ++fruitless_;
        } else {
            fruitless_ = 0;
            self.polled.push_back(seen);
        }
        self.doing = doing;
        self.place = at;
        leave_runnable();
        fibers_[static_cast<std::size_t>(current_)].doing.clear();
    }

    // Waits until `gate` is opened. `doing` tells what for, "" if it is a server without work, and `at` where.
    void block(Gate& gate, const std::string& doing, Place at = {}) {
        gate.waiting.push_back(current_);
        auto& self = fibers_[static_cast<std::size_t>(current_)];
        self.doing = doing;
        self.place = at;
        self.fiber->leave();
        fibers_[static_cast<std::size_t>(current_)].doing.clear();
        progress();
    }

    void open(Gate& gate) {
        runnable_.insert(runnable_.end(), gate.waiting.begin(), gate.waiting.end());
        gate.waiting.clear();
    }

    // The fiber that runs has done something.
    void progress() {
        fruitless_ = 0;
        fibers_[static_cast<std::size_t>(current_)].polled.clear();
    }

    // Ends the run; does not return.
    [[noreturn]] void stop() {
        stopped_ = true;
        for (;;) fibers_[static_cast<std::size_t>(current_)].fiber->leave();
    }

    // -- after the run --

    // A fiber that has not ended, and what it waits for.
    struct Stuck {
        std::string name, doing;
        Place place;
    };
    std::vector<Stuck> stuck() const {
        std::vector<Stuck> found;
        for (const auto& each : fibers_) {
            const bool idle = each.server && each.doing.empty();
            if (!each.fiber->finished() && !idle) found.push_back({each.name, each.doing, each.place});
        }
        return found;
    }

    bool finished(int number) const { return fibers_[static_cast<std::size_t>(number)].fiber->finished(); }

private:
    struct Entry {
        std::unique_ptr<Fiber> fiber;
        std::string name;
        bool server, lazy;
        std::string doing = "";
        Place place = {};
        std::vector<std::pair<std::uint64_t, std::uint64_t>> polled = {};
    };

    std::size_t draw() {
        std::size_t slot = random_.below(runnable_.size());
        for (int chances = 3; chances > 0; --chances) {
            if (!fibers_[static_cast<std::size_t>(runnable_[slot])].lazy) break;
            slot = random_.below(runnable_.size());
        }
        return slot;
    }

    void leave_runnable() {
        runnable_.push_back(current_);
        fibers_[static_cast<std::size_t>(current_)].fiber->leave();
    }

    Random random_;
    long poll_limit_;
    long fruitless_ = 0;
    bool stopped_ = false;
    int current_ = 0;
    std::vector<Entry> fibers_;
    std::vector<int> runnable_;
};

}  // namespace mpmd::sim
