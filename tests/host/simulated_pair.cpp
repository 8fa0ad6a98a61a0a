// The smallest front: two programs, a counter, one buffer. `run` returns the findings of one seed.
#include "engine.h"

using namespace mpmd::sim;

namespace {

struct Pair {
    Engine engine;
    Actor& writer;
    Actor& reader;
    Memory memory{"memory", 128};
    Gate gate;
    Snapshot message;

    Pair(std::uint64_t seed, std::set<int> dropped)
        : engine(seed, 100, std::move(dropped)),
          writer(engine.actor("A", "", false)),
          reader(engine.actor("B", "pipe", true)) {}

    void write(std::uint64_t first, std::uint64_t bytes) {
        engine.write(memory, first, bytes, engine.begin(writer, {"user.py", 10}, "store"));
    }
    void read(std::uint64_t first, std::uint64_t bytes) {
        engine.read(memory, first, bytes, engine.begin(reader, {"user.py", 20}, "load"));
    }
    void signal() {
        if (!engine.sites.enter(0, {"user.py", 11}, "signal")) return;
        message = writer.release();
        engine.scheduler.open(gate);
    }
    void wait() {
        if (!engine.sites.enter(1, {"user.py", 19}, "wait")) return;
        while (!message) engine.scheduler.block(gate, "waits for A");
        reader.acquire(message);
    }
    void poll() {
        while (!message) engine.scheduler.poll(0, 0, "polls the word");
    }
};

std::string result;

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* run(const char* program, std::uint64_t seed,
                                                                  int dropped) {
    Pair pair(seed, {dropped});
    const std::string name = program;
    auto& scheduler = pair.engine.scheduler;
    scheduler.spawn("A", false, 1 << 16, [&] {
        if (name == "neighbours") return pair.write(0, 3);
        if (name == "overlapping") return;
        pair.write(0, 64);
        scheduler.yield();
        if (name != "silent") pair.signal();
    });
    scheduler.spawn("B", false, 1 << 16, [&] {
        if (name == "neighbours") return pair.read(3, 29);
        if (name == "overlapping") {
            pair.read(0, 64);
            return pair.engine.write(pair.memory, 0, 64,
                                     pair.engine.begin(pair.reader, {"user.py", 21}, "store"));
        }
        if (name == "silent") return pair.poll();
        pair.wait();
        pair.read(32, 4);
    });
    pair.engine.run();
    result = pair.engine.json();
    return result.c_str();
}

extern "C" __attribute__((visibility("default"))) int many(int count) {
    Engine engine(1, 100, {});
    int done = 0;
    for (int i = 0; i < count; ++i)
        engine.scheduler.spawn("t", false, 1 << 14, [&] {
            for (int k = 0; k < 10; ++k) engine.scheduler.yield();
            ++done;
        });
    engine.run();
    return done;
}
