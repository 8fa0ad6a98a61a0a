"""The standalone driver of a CPU kernel: a `main` for ThreadSanitizer, AddressSanitizer, valgrind, qemu.

In:  the `LaunchInfo` of a kernel. Out: the text of `main.cpp`, to be linked with the kernel and the pool.
Not here: compiling and running it (`mpmd/runtime/standalone.py`).

The program takes a folder, a number of launches, and perhaps the word "stamped". It reads `tables`,
`scalars` (one word each) and one file per argument; it launches; and it writes the arguments that the kernel
writes back. Arguments are allocated to the byte, so that AddressSanitizer and valgrind see every access
beyond them. Stamped launches write into `spans` how many spans the last of them had, and how many were lost.
"""

from __future__ import annotations

from mpmd.codegen.source import KernelSource, stamped_entry

_TEXT = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

extern "C" void {entry}(mpmd::Core* core);
extern "C" void {stamped}(mpmd::Core* core);

static const char* const names[] = {{{names}}};
static const bool written[] = {{{written}}};

struct File {{
  char* data;
  long size;
}};

static File load(const char* folder, const char* name) {{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE* stream = fopen(path, "rb");
  if (!stream || fseek(stream, 0, SEEK_END)) {{
    fprintf(stderr, "cannot read %s\\n", path);
    exit(2);
  }}
  File file{{nullptr, ftell(stream)}};
  rewind(stream);
  file.data = static_cast<char*>(malloc(file.size ? file.size : 1));
  const bool whole = fread(file.data, 1, file.size, stream) == static_cast<unsigned long>(file.size);
  fclose(stream);
  if (!whole) exit(2);
  return file;
}}

static void store(const char* folder, const char* name, const File& file) {{
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE* stream = fopen(path, "wb");
  if (!stream || fwrite(file.data, 1, file.size, stream) != static_cast<unsigned long>(file.size)) exit(2);
  fclose(stream);
}}

static void store_spans(const char* folder, MpmdRecord* record) {{
  const MpmdStamped* cores = reinterpret_cast<const MpmdStamped*>(record + 1);
  long long spans = 0, lost = 0;
  for (int c = 0; c < record->cores; ++c) {{
    spans += cores[c].spans;
    lost += cores[c].lost;
  }}
  char text[80];
  const File file{{text, snprintf(text, sizeof text, "%lld %lld", spans, lost)}};
  store(folder, "spans", file);
  mpmd_forget_record(record);
}}

int main(int count, char** words) {{
  const bool stamped = count == 4 && !strcmp(words[3], "stamped");
  if (count != 3 && !stamped) {{
    fprintf(stderr, "usage: %s FOLDER LAUNCHES [stamped]\\n", words[0]);
    return 2;
  }}
  const char* folder = words[1];
  const File tables = load(folder, "tables"), scalars = load(folder, "scalars");
  File file[{count} + 1] = {{}};
  void* address[{count} + 1] = {{}};
  for (int a = 0; a < {count}; ++a) {{
    file[a] = load(folder, names[a]);
    address[a] = file[a].data;
  }}
  char error[200];
  MpmdKernel* kernel = mpmd_open(tables.data, tables.size, {entry}, {stamped}, {scratch}, error,
                                 sizeof error);
  if (!kernel) {{
    fprintf(stderr, "%s\\n", error);
    return 2;
  }}
  if (stamped) mpmd_record(1 << 26, 1 << 26);
  int status = 0;
  for (long launch = atol(words[2]); launch > 0 && !status; --launch) {{
    const mpmd::Word* values = reinterpret_cast<const mpmd::Word*>(scalars.data);
    status = mpmd_launch(kernel, address, values, nullptr, nullptr)->status;
    if (MpmdRecord* record = mpmd_take_record()) store_spans(folder, record);
  }}
  for (int a = 0; a < {count}; ++a) {{
    if (written[a]) store(folder, names[a], file[a]);
    free(file[a].data);
  }}
  if (status) fprintf(stderr, "status %d\\n", status);
  mpmd_close(kernel);
  mpmd_stop();
  free(tables.data);
  free(scalars.data);
  return status ? 3 : 0;
}}
"""


def driver_text(source: KernelSource) -> str:
    """`main.cpp` for this kernel."""
    arguments = source.launch.arguments
    return _TEXT.format(
        entry=source.entry,
        stamped=stamped_entry(source.entry),
        names=", ".join([f'"argument-{a.name}"' for a in arguments] or ["nullptr"]),
        written=", ".join([str(a.direction.writes).lower() for a in arguments] or ["false"]),
        count=len(arguments),
        scratch=source.launch.scratch_bytes,
    )
