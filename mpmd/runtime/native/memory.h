// Memory that a kernel keeps from its opening to its end.
//
// In:  a size. Out: zeroed memory on its own cache lines, or pages that are there already.
// Not here: who frees it when (pool.cpp).
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

namespace mpmd {

const long long CACHE_LINE = 64;
const long long HUGE_PAGE = 2 << 20;

inline void* zeroed(long long bytes) {
  const long long rounded = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
  void* memory = nullptr;
  if (posix_memalign(&memory, CACHE_LINE, rounded ? rounded : CACHE_LINE)) return nullptr;
  return memset(memory, 0, rounded);
}

// Memory of its own pages, touched once so that no launch meets a page fault.
struct Pages {
  char* start;
  char* mapped;
  long long mapped_bytes;

  bool map(long long bytes) {
    const long long align = bytes >= HUGE_PAGE ? HUGE_PAGE : 4096;
    mapped_bytes = (bytes + align - 1) / align * align + align;
    void* memory = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    mapped = static_cast<char*>(memory);
    start = mapped + (align - reinterpret_cast<unsigned long long>(mapped) % align) % align;
    if (align == HUGE_PAGE) madvise(start, mapped_bytes - align, MADV_HUGEPAGE);
    for (long long i = 0; i < bytes; i += 4096) static_cast<volatile char*>(start)[i] = 0;
    return true;
  }

  void unmap() {
    if (mapped) munmap(mapped, mapped_bytes);
  }
};

}  // namespace mpmd
