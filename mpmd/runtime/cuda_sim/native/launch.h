// One launch under way: its threads, what they wait for, and what they may touch.
//
// In:  `Setup`, as `simulated.py` fills it in. Out: `Launch`: what the hooks act on.
// Not here: the hooks (simulate.cpp).
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine.h"
#include "grid.h"
#include "memory.h"
#include "mpmd_hooks.h"

namespace mpmd::cuda {

struct RegionSetup {
    const char* name;
    void* data;
    std::uint64_t bytes;
    unsigned char* defined;
    std::int32_t constant;
    std::int32_t unused;
};

using Kernel = void (*)(const void* launch, int stretch, long long iteration);

struct Setup {
    std::uint64_t seed;
    std::int64_t poll_limit;
    Kernel kernel;
    const void* launch;
    const unsigned* status;         // 0 until a core stops the launch
    const sim::Hooks** hooks;       // of the text's library
    std::uintptr_t image, image_end;  // where the text's library lies: its constants
    const RegionSetup* regions;
    const std::int32_t* dropped;
    std::int64_t iteration;
    std::uint64_t shared_bytes;
    std::int32_t region_count, dropped_count;
    std::int32_t blocks, stretch;
};

constexpr std::size_t stack_bytes = 1 << 17;
constexpr std::size_t most_turns = 512;

class Launch {
public:
    explicit Launch(const Setup& given)
        : setup(given), engine(given.seed, given.poll_limit, {given.dropped, given.dropped + given.dropped_count}), pace(~given.seed) {
        for (int i = 0; i < given.region_count; ++i) {
            const RegionSetup& region = given.regions[i];
            regions.add(region.name, region.data, region.bytes, region.defined, region.constant != 0);
        }
        for (int number = 0; number < given.blocks; ++number) add_block(number);
        regions.sort();
    }

    Thread& self() { return grid[static_cast<std::size_t>(engine.scheduler.current())]; }
    Block& block_of(const Thread& thread) { return blocks[static_cast<std::size_t>(thread.block)]; }
    bool stopped() const { return *setup.status != 0; }

    // All of `size` threads come to `meeting`; the last one does `together`.
    void meet(Meeting& meeting, int size, const char* what, sim::Place place, const std::function<void()>& together) {
        Thread& thread = self();
        if (meeting.arrived == 0) {
            meeting.place = place;
            meeting.what = what;
        } else if (meeting.place.line != place.line || std::strcmp(meeting.place.file, place.file) != 0) {
            engine.fatal("divergence",
                         "it is at " + std::string(what) + " while others of its block are at " + meeting.what + " of " +
                             meeting.place.text(),
                         thread.actor->number(), place);
        }
        if (++meeting.arrived == size) {
            together();
            meeting.arrived = 0;
            ++meeting.passed;
            engine.scheduler.open(meeting.gate);
            return;
        }
        for (const std::uint64_t passed = meeting.passed; meeting.passed == passed;)
            engine.scheduler.block(meeting.gate, what, place);
    }

    // Before a thread tells other blocks something: those of a slow block let others go first, for some time. Drawing
    // among threads alone, all blocks would be equally fast.
    void linger() {
        if (!block_of(self()).slow) return;
        for (std::size_t turns = pace.below(most_turns); turns > 0; --turns) engine.scheduler.yield();
    }

    // What each of these threads has done, all of them know.
    void join(Thread* first, int count) {
        auto clock = std::make_shared<sim::Clock>();
        for (int i = 0; i < count; ++i) clock->join(*first[i].actor->release());
        for (int i = 0; i < count; ++i) first[i].actor->acquire(clock);
    }

    const Setup& setup;
    sim::Engine engine;
    Regions regions;
    std::vector<Thread> grid;
    std::deque<Block> blocks;
    sim::Random pace;
    sim::Gate writes;             // opens at every atomic write
    std::uint64_t written = 0;    // how many there have been

private:
    void add_block(int number) {
        blocks.emplace_back(setup.shared_bytes);
        Block& block = blocks.back();
        block.slow = pace.below(2) == 0;
        regions.add("shared memory of block " + std::to_string(number), block.shared.data(), block.shared.size(),
                    block.defined.data(), false);
        for (int i = 0; i < threads; ++i) {
            Thread thread;
            thread.number = i;
            thread.block = number;
            thread.actor = &engine.actor("block " + std::to_string(number), "thread " + std::to_string(i), false);
            grid.push_back(thread);
        }
    }
};

}  // namespace mpmd::cuda
