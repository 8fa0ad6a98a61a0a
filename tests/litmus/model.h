// A release/acquire memory as an operational model.
//
// In:  atomic accesses, one at a time, with the choice of what to read and where to insert. Out: values,
// fronts. Not here: who chooses (explore.cpp), plain accesses (races.h).
//
// A location is a list of messages in modification order. A thread's front says, per location, the oldest
// message it may still read, and per thread, how much of that thread's past happened before now. A release
// stores the front in its message, an acquire takes it over; fences move the same fronts later or earlier.
// Stores may go in anywhere behind the thread's front, but never between a message and the
// read-modify-write that read it. Sequentially consistent accesses follow the order of execution per
// location. Loads take effect in program order: what needs load buffering is not explored.
#pragma once

namespace litmus {

const int THREADS = 6;
const int LOCATIONS = 32;
const int MESSAGES = 32;

typedef long long Stamp;  // the place of a message in its location's order
typedef unsigned long long Value;

const Stamp GAP = 1LL << 40;  // between two neighbours: 40 insertions fit in

enum Order : int { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

inline bool acquires(int order) { return order != RELAXED && order != RELEASE; }
inline bool releases(int order) { return order >= RELEASE; }

struct Front {
  Stamp view[LOCATIONS];
  unsigned clock[THREADS];

  void join_view(const Front& other) {
    for (int i = 0; i < LOCATIONS; ++i) {
      if (view[i] < other.view[i]) view[i] = other.view[i];
    }
  }

  void join(const Front& other) {
    join_view(other);
    for (int i = 0; i < THREADS; ++i) {
      if (clock[i] < other.clock[i]) clock[i] = other.clock[i];
    }
  }
};

struct Message {
  Stamp stamp;
  Value value;
  bool taken;  // a read-modify-write read it: nothing goes in behind it
  Front front;
};

struct Location {
  char* address;
  int size;
  bool plain;   // was written by a plain access since: its value stands in the memory alone
  Stamp fixed;  // the newest sequentially consistent store
  int count;
  Message message[MESSAGES];
};

// What a thread has seen, what an acquire fence would add, what a release fence put down.
struct Sight {
  Front now;
  Front acquired;
  Front released;
};

inline Value memory_value(const Location& location) {
  Value value = 0;
  __builtin_memcpy(&value, location.address, location.size);
  return value;
}

inline void start_location(Location& location, Stamp stamp) {
  location.plain = false;
  location.fixed = 0;
  location.count = 1;
  Message& first = location.message[0];
  first.stamp = stamp;
  first.value = memory_value(location);
  first.taken = false;
  first.front = Front{};
}

// The oldest message that `sight` may read with this order.
inline int oldest(const Location& location, int at, const Sight& sight, int order) {
  Stamp least = sight.now.view[at];
  if (order == SEQ_CST && location.fixed > least) least = location.fixed;
  int first = 0;
  while (location.message[first].stamp < least) ++first;
  return first;
}

inline Value read_message(Location& location, int at, int which, Sight& sight, int order) {
  const Message& message = location.message[which];
  if (sight.now.view[at] < message.stamp) sight.now.view[at] = message.stamp;
  if (acquires(order)) {
    sight.now.join(message.front);
  } else {
    sight.acquired.join(message.front);
  }
  return message.value;
}

// A new message behind message `after`. `sequence` is the front of the message that a read-modify-write read.
inline void write_message(Location& location, int at, int after, Sight& sight, int order, Value value,
                          const Front* sequence) {
  Front front = releases(order) ? sight.now : sight.released;
  if (sequence) front.join(*sequence);
  for (int i = location.count; i > after + 1; --i) location.message[i] = location.message[i - 1];
  const bool last = after + 1 == location.count++;
  const Stamp before = location.message[after].stamp;
  Message& fresh = location.message[after + 1];
  fresh.stamp = last ? before + GAP : before + (location.message[after + 2].stamp - before) / 2;
  fresh.value = value;
  fresh.taken = false;
  fresh.front = front;
  fresh.front.view[at] = fresh.stamp;
  sight.now.view[at] = fresh.stamp;
  if (order == SEQ_CST && location.fixed < fresh.stamp) location.fixed = fresh.stamp;
  if (last) __builtin_memcpy(location.address, &value, location.size);
}

inline void fence(Sight& sight, Front& sequential, int order) {
  if (acquires(order)) sight.now.join(sight.acquired);
  if (order == SEQ_CST) {
    sight.now.join_view(sequential);  // their order is no happens-before: plain accesses stay unordered
    sequential.join_view(sight.now);
  }
  if (releases(order)) sight.released = sight.now;
}

}  // namespace litmus
