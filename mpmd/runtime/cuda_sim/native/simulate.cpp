// The simulator of CUDA kernels: what the hooks of a text do, and a launch from its start to its end.
//
// In:  `Setup`. Out: findings as JSON; memory written in place.
// Not here: the text's side of the hooks (device.h, hooks.cpp), what a launch is (Python).
//
// Shuffles and products of a warp are meetings of all its lanes, and order no accesses to memory; barriers
// do. A release tells what its thread knows, and that is what the barriers before it told it.
#include <cstdint>
#include <cstring>
#include <string>

#include "launch.h"

namespace mpmd::cuda {
namespace {

Launch* current = nullptr;

sim::Place place_of(sim::Statement at) { return {at.file, at.line}; }

// The number of a statement that orders accesses: the same in every run (FNV-1a of its place).
int site(sim::Statement at) {
    std::uint32_t hash = 2166136261u;
    for (const char* c = at.file; *c; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 16777619u;
    for (int shift = 0; shift < 32; shift += 8)
        hash = (hash ^ (static_cast<std::uint32_t>(at.line) >> shift & 0xffu)) * 16777619u;
    return static_cast<int>(hash & 0x7fffffffu);
}

bool orders(sim::Statement at, const char* what) { return current->engine.sites.enter(site(at), place_of(at), what); }

// -- threads ----------------------------------------------------------------------------------------

int thread() { return current->self().number; }
int block() { return current->self().block; }
char* shared_memory() { return reinterpret_cast<char*>(current->block_of(current->self()).shared.data()); }

bool barrier(bool condition, sim::Statement at) {
    if (!orders(at, "barrier")) return condition;
    Thread& self = current->self();
    Block& block = current->block_of(self);
    Thread* const first = &self - self.number;
    block.condition = block.condition || condition;
    current->meet(block.meeting, threads, "the barrier", place_of(at), [&block, first] {
        current->join(first, threads);
        block.any = block.condition;
        block.condition = false;
    });
    return block.any;
}

Warp& warp_of(const Thread& self) {
    return current->block_of(self).warps[static_cast<std::size_t>(self.number / lanes)];
}

void warp_barrier(sim::Statement at) {
    if (!orders(at, "barrier of a warp")) return;
    Thread& self = current->self();
    Thread* const first = &self - self.number % lanes;
    current->meet(warp_of(self).meeting, lanes, "the barrier of the warp", place_of(at),
                  [first] { current->join(first, lanes); });
}

// The value that each lane named by its `from`, of those that all brought.
unsigned shuffle(unsigned value, int from, sim::Statement at) {
    Thread& self = current->self();
    Warp& warp = warp_of(self);
    const int lane = self.number % lanes;
    warp.brought[lane].value = value;
    current->meet(warp.meeting, lanes, "the shuffle", place_of(at), [&warp] {
        for (int i = 0; i < lanes; ++i) warp.taken[i] = warp.brought[i].value;
    });
    const unsigned taken = warp.taken[from];
    return taken;
}

float half_of(unsigned word, int which, float (*value)(unsigned short)) {
    return value(static_cast<unsigned short>(word >> (16 * which)));
}

// The registers that PTX gives the lanes for mma.m16n8k16: lane 4g + t has rows g and g + 8 of A and C, column g
// of B; columns 2t, 2t + 1 and 2t + 8, 2t + 9 along k, and columns 2t and 2t + 1 of C.
void multiply_warp(Warp& warp, float (*value)(unsigned short)) {
    float a[16][16], b[16][8];
    for (int lane = 0; lane < lanes; ++lane) {
        const Exchange& own = warp.brought[lane];
        const int g = lane / 4, t = lane % 4;
        for (int word = 0; word < 4; ++word)
            for (int i = 0; i < 2; ++i) a[g + word % 2 * 8][2 * t + word / 2 * 8 + i] = half_of(own.a[word], i, value);
        for (int word = 0; word < 2; ++word)
            for (int i = 0; i < 2; ++i) b[2 * t + word * 8 + i][g] = half_of(own.b[word], i, value);
    }
    for (int lane = 0; lane < lanes; ++lane) {
        for (int e = 0; e < 4; ++e) {
            const int row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
            double sum = warp.brought[lane].c[e];
            for (int k = 0; k < 16; ++k) sum += static_cast<double>(a[row][k]) * b[k][column];
            warp.brought[lane].c[e] = static_cast<float>(sum);
        }
    }
}

void multiply(float* c, const unsigned* a, const unsigned* b, float (*value)(unsigned short), sim::Statement at) {
    Thread& self = current->self();
    Warp& warp = warp_of(self);
    warp.brought[self.number % lanes] = {0, a, b, c};
    current->meet(warp.meeting, lanes, "the product", place_of(at), [&warp, value] { multiply_warp(warp, value); });
}

// -- memory ------------------------------------------------------------------------------------------

bool own(const Thread& self, std::uintptr_t first) {
    if (first <= self.stack && first >= self.stack - stack_bytes) return true;
    return first >= current->setup.image && first < current->setup.image_end;
}

std::string bytes_of(std::uint64_t count) { return std::to_string(count) + (count == 1 ? " byte" : " bytes"); }

// The region of an access; one that leaves it ends the run.
Region& region_of(std::uintptr_t first, std::uint64_t bytes, sim::Place place) {
    Region* const found = current->regions.before(first);
    if (found && first + bytes <= found->end) return *found;
    const std::string where = found ? std::to_string(first - found->begin) + " of " + found->memory.name + ", which has " +
                                          bytes_of(found->end - found->begin)
                                    : "an address before all memory";
    current->engine.fatal("bounds", "it touches " + bytes_of(bytes) + " at byte " + where,
                          current->self().actor->number(), place);
}

void require_defined(Region& region, std::uint64_t at, std::uint64_t bytes, sim::Place place) {
    if (!region.defined || !std::memchr(region.defined + at, 0, bytes)) return;
    current->engine.report("poison", "it reads " + region.memory.name + " at byte " + std::to_string(at) +
                           ", which nobody has written", current->self().actor->number(), place);
    std::memset(region.defined + at, 1, bytes);
}

void access(const void* address, std::uint64_t bytes, bool write, bool atomic, sim::Place place) {
    Thread& self = current->self();
    const auto first = reinterpret_cast<std::uintptr_t>(address);
    Region& region = region_of(first, bytes, place);
    const std::uint64_t at = first - region.begin;
    if (region.constant) {
        if (write) current->engine.fatal("constant", "it writes " + region.memory.name, self.actor->number(), place);
        return;
    }
    if (!write) require_defined(region, at, bytes, place);
    if (write && region.defined) std::memset(region.defined + at, 1, bytes);
    const sim::Access noted = current->engine.begin(*self.actor, place, "it", atomic);
    if (write) {
        current->engine.write(region.memory, at, bytes, noted);
    } else {
        current->engine.read(region.memory, at, bytes, noted);
    }
}

// Where a plain access stands: its distance from the start of the text's library. Python finds the line.
sim::Place place_in_text(const void* at) {
    return {"@", static_cast<int>(reinterpret_cast<std::uintptr_t>(at) - current->setup.image)};
}

void touch(const void* address, unsigned long bytes, bool write, const void* at) {
    if (!own(current->self(), reinterpret_cast<std::uintptr_t>(address))) access(address, bytes, write, false, place_in_text(at));
}

// -- atomics -----------------------------------------------------------------------------------------

std::uint64_t key(const void* place) { return reinterpret_cast<std::uintptr_t>(place); }

std::uint64_t value_at(const void* place, int bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, place, static_cast<std::size_t>(bytes));
    return value;
}

void written() {
    ++current->written;
    current->engine.scheduler.open(current->writes);
    current->engine.scheduler.yield();
}

unsigned long long load(const void* place, int bytes, bool acquire, sim::Statement at) {
    Thread& self = current->self();
    if (acquire) current->engine.scheduler.poll(key(place), value_at(place, bytes), "a counter", place_of(at));
    access(place, static_cast<std::uint64_t>(bytes), false, true, place_of(at));
    self.looked = current->written;
    if (acquire && orders(at, "acquire")) self.actor->acquire(current->engine.words.load(key(place)).clock);
    return value_at(place, bytes);
}

void store(void* place, int bytes, unsigned long long value, bool release, sim::Statement at) {
    Thread& self = current->self();
    if (release) current->linger();
    access(place, static_cast<std::uint64_t>(bytes), true, true, place_of(at));
    const bool ordered = release && orders(at, "release");
    current->engine.words.store(key(place), ordered ? self.actor->release() : nullptr, {});
    std::memcpy(place, &value, static_cast<std::size_t>(bytes));
    written();
}

void add(unsigned* place, unsigned amount, sim::Statement at) {
    Thread& self = current->self();
    current->linger();
    access(place, sizeof *place, true, true, place_of(at));
    if (orders(at, "release")) current->engine.words.update(key(place), self.actor->release(), {});
    *place += amount;
    written();
}

// Relaxed: what the word told before, it still tells.
unsigned exchange_if_equal(unsigned* place, unsigned expected, unsigned value, sim::Statement at) {
    access(place, sizeof *place, true, true, place_of(at));
    const unsigned found = *place;
    if (found != expected) return found;
    *place = value;
    written();
    return found;
}

// Until something has been written since the last look. Where the launch is stopped the text looks for that itself.
void pause() {
    Thread& self = current->self();
    if (current->stopped()) return current->engine.scheduler.yield();
    while (self.looked == current->written && !current->stopped())
        current->engine.scheduler.block(current->writes, "a counter", {});
}

const sim::Hooks hooks = {thread,  block, shared_memory, barrier, warp_barrier, shuffle,           multiply,
                          touch,   load,  store,         add,     exchange_if_equal, pause};

// -- a launch -----------------------------------------------------------------------------------------

void run_thread(Thread& self) {
    self.stack = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const Setup& setup = current->setup;
    setup.kernel(setup.launch, setup.stretch, setup.iteration);
    self.ended = true;
}

// Threads that wait for one that has ended; else what each block waits for.
void tell_deadlock() {
    std::string waits;
    sim::Place place;
    std::uint32_t actor = 0;
    for (int number = 0; number < static_cast<int>(current->blocks.size()); ++number) {
        Block& block = current->blocks[static_cast<std::size_t>(number)];
        Thread& first = current->grid[static_cast<std::size_t>(number * threads)];
        int ended = 0;
        for (int i = 0; i < threads; ++i) ended += (&first)[i].ended;
        if (ended == threads) continue;
        if (ended > 0 && block.meeting.arrived + ended == threads)
            return current->engine.report("divergence", std::to_string(ended) + " threads of the block have ended, and the others are at the barrier",
                                          first.actor->number() + static_cast<std::uint32_t>(threads - 1), block.meeting.place);
        const std::string at = block.meeting.arrived ? std::to_string(block.meeting.arrived) + " of its threads at the barrier of " + block.meeting.place.text() : "its threads apart";
        waits += (waits.empty() ? "" : "; ") + ("block " + std::to_string(number)) + " waits, " + at;
        if (!place.line) place = block.meeting.place, actor = first.actor->number();
    }
    current->engine.report("deadlock", "no thread can go on: " + waits, actor, place);
}

}  // namespace
}  // namespace mpmd::cuda

extern "C" __attribute__((visibility("default"))) const char* mpmd_cuda_simulate(const mpmd::cuda::Setup* setup) {
    using namespace mpmd::cuda;
    static std::string result;
    Launch launch(*setup);
    current = &launch;
    *setup->hooks = &hooks;
    for (Thread& thread : launch.grid)
        launch.engine.scheduler.spawn(thread.actor->name(), false, stack_bytes, [&thread] { run_thread(thread); });
    launch.engine.run(tell_deadlock);
    result = launch.engine.json();
    current = nullptr;
    return result.c_str();
}
