"""What stands around a kernel's text on a machine with an NPU: launcher, build file, a page for readers.

In:  a `KernelSource` of target "ascend". Out: files by name:
     texts, and what the launcher reads beside the arrays.
Not here: inputs and expected outputs (`commands/emit.py`). Nothing of this has met CANN; the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import numpy as np

from mpmd.codegen.ascend.patches import patches, undecided
from mpmd.codegen.ascend.words import LINE, lines, room
from mpmd.codegen.launch_values import scalar_words
from mpmd.codegen.sections import sections
from mpmd.codegen.source import KernelSource

_MAIN = """\
// Launches the kernel once on an NPU and compares what it writes with what it should have written.
//
// In:  data/*.bin, data/*.expected.bin, tables.bin, patches.bin; the kernel's scalars as arguments, or those
// of data/scalars.bin, for which the expected results are. Out: exit status 0 if all results are close.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "kernel.cpp"
#include "launch_values.h"

static std::vector<char> load(const std::string& name) {{
  std::ifstream stream(name, std::ios::binary);
  if (!stream) {{
    std::fprintf(stderr, "cannot read %s\\n", name.c_str());
    std::exit(2);
  }}
  return {{std::istreambuf_iterator<char>(stream), {{}}}};
}}

static void require(aclError error, const char* what) {{
  if (error == ACL_SUCCESS) return;
  std::fprintf(stderr, "%s: error %d\\n", what, static_cast<int>(error));
  std::exit(2);
}}

static uint8_t* device(const std::vector<char>& host) {{
  void* address = nullptr;
  require(aclrtMalloc(&address, host.empty() ? 64 : host.size(), ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
  if (!host.empty())
    require(aclrtMemcpy(address, host.size(), host.data(), host.size(), ACL_MEMCPY_HOST_TO_DEVICE), "copy");
  return static_cast<uint8_t*>(address);
}}

struct Argument {{
  const char* name;
  const char* dtype;
  bool written;
}};
static const Argument arguments[] = {{{arguments}}};
static const bool is_float[] = {{{floats}}};  // by scalar

static mpmd_host::Words words_of(const std::string& name) {{
  const std::vector<char> bytes = load(name);
  mpmd_host::Words words(bytes.size() / sizeof(mpmd_host::Word));
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}}

/// A scalar as a word of a row: a float as the bits of a double.
static mpmd_host::Word scalar(const char* text, bool as_float) {{
  if (!as_float) return std::stoll(text);
  const double value = std::stod(text);
  mpmd_host::Word word;
  std::memcpy(&word, &value, sizeof word);
  return word;
}}

static std::vector<char> tables(int count, char** texts) {{
  const mpmd_host::LaunchValues values(words_of("tables.bin"), words_of("patches.bin"));
  mpmd_host::Words scalars = words_of("data/scalars.bin");
  for (int i = 0; i < count && i < static_cast<int>(scalars.size()); ++i)
    scalars[i] = scalar(texts[i], is_float[i]);
  std::string error;
  const mpmd_host::Words words = values.words(scalars, error);
  if (words.empty()) {{
    std::fprintf(stderr, "%s\\n", error.c_str());
    std::exit(2);
  }}
  const char* const first = reinterpret_cast<const char*>(words.data());
  return {{first, first + words.size() * sizeof(words[0])}};
}}

/// What cores found wrong: a line of 8 words for each.
static int failures(const uint8_t* lines, size_t bytes) {{
  mpmd_host::Words told(bytes / sizeof(mpmd_host::Word));
  require(aclrtMemcpy(told.data(), bytes, lines, bytes, ACL_MEMCPY_DEVICE_TO_HOST), "aclrtMemcpy");
  int status = 0;
  for (size_t core = 0; core < told.size() / 8; ++core) {{
    const mpmd_host::Word* const line = &told[8 * core];
    if (line[0] == 0) continue;
    std::fprintf(stderr, "core %zu: check %lld does not hold:", core, static_cast<long long>(line[1]));
    for (int i = 2; i < 5; ++i) std::fprintf(stderr, " %lld", static_cast<long long>(line[i]));
    std::fprintf(stderr, "\\n");
    status = 1;
  }}
  return status;
}}

static double number(const std::vector<char>& data, size_t at, const std::string& dtype) {{
  if (dtype == "f32") return reinterpret_cast<const float*>(data.data())[at];
  if (dtype == "i32") return reinterpret_cast<const int32_t*>(data.data())[at];
  const uint32_t bits = reinterpret_cast<const uint16_t*>(data.data())[at];
  if (dtype == "bf16") {{
    const uint32_t wide = bits << 16;
    return *reinterpret_cast<const float*>(&wide);
  }}
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double fraction = bits & 1023, sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}}

/// The largest difference, relative to the largest element.
static double error(
    const std::vector<char>& got, const std::vector<char>& wanted, const std::string& dtype) {{
  const size_t size = dtype == "f32" || dtype == "i32" ? 4 : 2;
  double worst = 0, largest = 1e-30;
  for (size_t i = 0; i < wanted.size() / size; ++i) {{
    const double difference = std::fabs(number(got, i, dtype) - number(wanted, i, dtype));
    worst = difference > worst || std::isnan(difference) ? difference : worst;
    largest = std::fmax(largest, std::fabs(number(wanted, i, dtype)));
  }}
  return worst / largest;
}}

int main(int count_of_texts, char** texts) {{
  require(aclInit(nullptr), "aclInit");
  require(aclrtSetDevice(0), "aclrtSetDevice");
  aclrtStream stream = nullptr;
  require(aclrtCreateStream(&stream), "aclrtCreateStream");
  mpmd::Launch launch = {{}};
  int count = 0;
  for (const Argument& argument : arguments)
    launch.base[count++] = device(load(std::string("data/") + argument.name + ".bin"));
  launch.base[count] = device(std::vector<char>({arena}));
  launch.table = reinterpret_cast<mpmd::Word*>(device(tables(count_of_texts - 1, texts + 1)));
  launch.lines = reinterpret_cast<mpmd::Word*>(device(std::vector<char>({lines})));
  launch.failures = reinterpret_cast<mpmd::Word*>(device(std::vector<char>({failures})));
  launch.rows = reinterpret_cast<mpmd::Word*>(device(std::vector<char>({rows})));
  launch.epoch = 1;
  {entry}<<<{groups}, nullptr, stream>>>(launch);
  require(aclrtSynchronizeStream(stream), "aclrtSynchronizeStream");
  int status = failures(reinterpret_cast<const uint8_t*>(launch.failures), {failures});
  for (int i = 0; i < count; ++i) {{
    if (!arguments[i].written) continue;
    const std::vector<char> wanted = load(std::string("data/") + arguments[i].name + ".expected.bin");
    std::vector<char> got(wanted.size());
    const aclError copied =
        aclrtMemcpy(got.data(), got.size(), launch.base[i], got.size(), ACL_MEMCPY_DEVICE_TO_HOST);
    require(copied, "aclrtMemcpy");
    const double worst = error(got, wanted, arguments[i].dtype);
    const bool close = worst <= 1e-2;
    std::printf("%s: relative error %.2e%s\\n", arguments[i].name, worst, close ? "" : ", too large");
    status |= !close;
  }}
  require(aclrtDestroyStream(stream), "aclrtDestroyStream");
  require(aclrtResetDevice(0), "aclrtResetDevice");
  require(aclFinalize(), "aclFinalize");
  return status;
}}
"""

_CMAKE = """\
# Builds `launch` with the compiler of CANN: source its set_env.sh first.
cmake_minimum_required(VERSION 3.16)
project({kernel} LANGUAGES CXX)

set(CANN $ENV{{ASCEND_HOME_PATH}})
find_program(BISHENG bisheng REQUIRED)
file(GLOB HEADERS ${{CMAKE_SOURCE_DIR}}/mpmd/*.h)
add_custom_command(
  OUTPUT ${{CMAKE_BINARY_DIR}}/launch
  COMMAND ${{BISHENG}} -xasc --npu-arch=dav-2201 -O2 -std=c++17 -I${{CMAKE_SOURCE_DIR}} -I${{CANN}}/include
          ${{CMAKE_SOURCE_DIR}}/main.cpp -o ${{CMAKE_BINARY_DIR}}/launch -L${{CANN}}/lib64 -lascendcl
  DEPENDS main.cpp kernel.cpp ${{HEADERS}})
add_custom_target(launch ALL DEPENDS ${{CMAKE_BINARY_DIR}}/launch)
"""

_README = """\
# Kernel `{kernel}` for Atlas A2/A3 (2201)

One mixed kernel for {groups} groups, each a cube core and two vector cores.

**Checked on a simulator only.** The text was written by a compiler on a machine without an NPU. A functional
simulator of the hardware's laws can run it; neither bisheng nor an NPU has seen it. What that cannot show:
whether CANN's compiler accepts the text, how fast it is, and the last bits of functions.

    source $ASCEND_HOME_PATH/set_env.sh
    cmake -S . -B build && cmake --build build
    ./build/launch            # from this folder: it reads data/ and tables.bin

| file | what it is |
|---|---|
| `kernel.cpp` | a function per task, the sync between its pipes with its reason, the entry |
| `mpmd/` | the header library that the text calls |
| `tables.bin` | what each core does: 64-bit words, laid out as in `mpmd/table.h` |
| `patches.bin` | how the scalars of a launch change them |
| `main.cpp`, `launch_values.h`, `CMakeLists.txt` | the launcher (it may be given scalars), and its build |
| `data/` | arguments, and what those that are written should become (`.expected.bin`) |
"""


def project(source: KernelSource) -> tuple[tuple[str, str], ...]:
    """All texts of a project for a machine with an NPU."""
    launch, t = source.launch, sections(source.tables)
    groups = launch.cores // 3
    described = (f'{{"{a.name}", "{a.dtype}", {str(a.direction.writes).lower()}}}' for a in launch.arguments)
    main = _MAIN.format(
        arguments=", ".join(described),
        floats=", ".join(str(s.dtype.is_float).lower() for s in launch.scalars) or "false",
        arena=max(64, launch.arena_bytes),
        lines=8 * LINE * max(1, lines(t)),
        failures=8 * LINE * launch.cores,
        rows=max(64, 8 * room(t) * launch.cores),
        entry=source.entry,
        groups=groups,
    )
    values = resources.files("mpmd.codegen.ascend") / "host" / "launch_values.h"
    return (
        *source.files,
        ("launch_values.h", values.read_text(encoding="utf-8")),
        ("main.cpp", main),
        ("CMakeLists.txt", _CMAKE.format(kernel=launch.kernel)),
        ("README.md", _README.format(kernel=launch.kernel, groups=groups)),
    )


def data(source: KernelSource, scalars: Mapping[str, int | float]) -> tuple[tuple[str, bytes], ...]:
    """What the launcher reads beside the arrays; `scalars` are those of the expected results."""
    t, cores = sections(source.tables), source.launch.cores
    given = np.array(scalar_words(source.launch, scalars), np.int64)
    return (
        ("tables.bin", undecided(t, cores).tobytes()),
        ("patches.bin", patches(t, cores).tobytes()),
        ("data/scalars.bin", given.tobytes()),
    )
