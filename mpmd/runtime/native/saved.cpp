// The C interface to a kernel in a directory (mpmd.h).
//
// In:  what LoadedKernel.unpack wrote. Out: launches, or a line that says why not.
// Not here: the launch itself (pool.cpp), checks of the machine and of hashes (saved.py).
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mpmd.h"
#include "pool.h"

using mpmd::Word;

struct mpmd_saved {
  MpmdKernel* kernel;
  void* library;
  long long arguments;
  long long scalars;
};

namespace {

static_assert(sizeof(mpmd_scalar) == sizeof(Word), "a scalar is one word");

const long long HEADER_BYTES = 32 * sizeof(Word);
const int SCALARS = 12;  // where the header of the tables counts them

thread_local char text[512];

__attribute__((format(printf, 1, 2))) int fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return -1;
}

struct Path {
  char name[4096];

  Path(const char* directory, const char* member) { snprintf(name, sizeof name, "%s/%s", directory, member); }
};

struct File {
  char* data;
  long long size;

  explicit File(const char* path) : data(nullptr), size(-1) {
    FILE* stream = fopen(path, "rb");
    if (!stream) return;
    fseek(stream, 0, SEEK_END);
    const long end = ftell(stream);
    rewind(stream);
    data = end < 0 ? nullptr : static_cast<char*>(malloc(end + 1));
    if (data && fread(data, 1, end, stream) == static_cast<unsigned long>(end)) size = end;
    if (size >= 0) data[size] = 0;
    fclose(stream);
  }
  ~File() { free(data); }
};

int open_kernel(mpmd_saved& saved, const char* directory) {
  const Path launch_path(directory, "launch"), tables_path(directory, "tables"), library_path(directory, "kernel.so");
  const File launch(launch_path.name), tables(tables_path.name);
  char entry[64];
  long long scratch = 0;
  if (launch.size < 0 || sscanf(launch.data, "%63s %lld", entry, &scratch) != 2) {
    return fail("%s does not say how to launch a kernel", launch_path.name);
  }
  if (tables.size < HEADER_BYTES) return fail("%s has no tables of a kernel", tables_path.name);
  saved.library = dlopen(library_path.name, RTLD_NOW | RTLD_LOCAL);
  if (!saved.library) return fail("%s", dlerror());
  const int* abi = static_cast<const int*>(dlsym(saved.library, "mpmd_abi"));
  void* const start = dlsym(saved.library, entry);
  if (!start || !abi || *abi != MPMD_ABI) {
    return fail("%s was built for another version of libmpmd.so", library_path.name);
  }
  char reason[200];
  const MpmdEntry function = reinterpret_cast<MpmdEntry>(start);
  saved.kernel = mpmd_open(tables.data, tables.size, function, nullptr, scratch, reason, sizeof reason);
  if (!saved.kernel) return fail("%s: %s", tables_path.name, reason);
  saved.arguments = mpmd_argument_count(saved.kernel);
  saved.scalars = reinterpret_cast<const Word*>(tables.data)[SCALARS];
  return 0;
}

int explain(const MpmdResult& result) {
  const mpmd::Failure& failure = result.failure;
  switch (result.status) {
    case mpmd::FAILED_CHECK:
      fail("a run-time check failed on core %d: %lld (extent %lld) is outside 0:%lld; see checks[%d] in manifest.json",
           failure.core, failure.value, failure.extent, failure.limit, failure.check);
      break;
    case mpmd::FAILED_GUARD:
      fail("the scalars are refused: see guards[%d] in manifest.json", result.guard);
      break;
    case mpmd::HANG:
      fail("the launch hangs: no core can go on");
      break;
    case mpmd::SCALAR_OVERFLOW:
      fail("the scalars are too large: an offset leaves 64 bits");
      break;
    case mpmd::FAILED_LATE_GUARD:
      fail("a run-time check failed on core %d: %lld is not in %lld to %lld; see checks[%d] in manifest.json",
           failure.core, failure.value, failure.extent, failure.limit, failure.check);
      break;
    case mpmd::ENDLESS_LOOP:
      fail("a loop has too many iterations for one launch: see steps[%d] in manifest.json", result.guard);
      break;
    case mpmd::NO_THREADS:
      fail("the worker threads could not be started");
      break;
    default:
      fail("the launch ended with status %d", result.status);
  }
  return result.status;
}

}  // namespace

extern "C" {

#define EXPORT __attribute__((visibility("default")))

EXPORT mpmd_saved* mpmd_saved_open(const char* directory) {
  mpmd_saved* saved = static_cast<mpmd_saved*>(calloc(1, sizeof(mpmd_saved)));
  if (!saved) {
    fail("there is not enough memory");
    return nullptr;
  }
  if (!open_kernel(*saved, directory)) return saved;
  mpmd_saved_close(saved);
  return nullptr;
}

EXPORT int64_t mpmd_saved_argument_bytes(const mpmd_saved* saved, int argument) {
  if (argument < 0 || argument >= saved->arguments) return fail("the kernel has %lld arguments", saved->arguments);
  return mpmd_argument_bytes(saved->kernel, argument);
}

EXPORT int mpmd_saved_launch(mpmd_saved* saved, void* const* arguments, int argument_count, const mpmd_scalar* scalars,
                             int scalar_count) {
  if (argument_count != saved->arguments || scalar_count != saved->scalars) {
    return fail("the kernel takes %lld arguments and %lld scalars, not %d and %d", saved->arguments, saved->scalars,
                argument_count, scalar_count);
  }
  const Word* words = reinterpret_cast<const Word*>(scalars);
  const MpmdResult* result = mpmd_launch(saved->kernel, arguments, words, nullptr, nullptr);
  return result->status == mpmd::OK ? 0 : explain(*result);
}

EXPORT void mpmd_saved_close(mpmd_saved* saved) {
  if (!saved) return;
  if (saved->kernel) mpmd_close(saved->kernel);
  if (saved->library) dlclose(saved->library);
  free(saved);
}

EXPORT const char* mpmd_error_text(void) { return text; }

}  // extern "C"
