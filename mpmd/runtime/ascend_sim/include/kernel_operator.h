// Stands in for the vendor's header of this name: what a kernel's text includes to run on the simulator.
//
// In:  the text of a kernel for Atlas A2/A3 (2201) in the subset that `docs/ascend-sim.md` lists.
// Out: names of namespace AscendC, types, qualifiers; each sync statement is a numbered site.
// Not here: starting a run (`mpmd_ascend/launch.h`).
#pragma once
#include "mpmd_ascend/copy.h"
#include "mpmd_ascend/cube.h"
#include "mpmd_ascend/lanes.h"
#include "mpmd_ascend/machine.h"
#include "mpmd_ascend/numbers.h"
#include "mpmd_ascend/reduce.h"
#include "mpmd_ascend/statements.h"
#include "mpmd_ascend/vector.h"

#define __aicore__
#define __global__
#define __gm__
#define __schedmode__(mode)
#define __mix__(cubes, vectors)

#define ASCEND_IS_AIC (::mpmd::ascend::is_cube())
#define ASCEND_IS_AIV (::mpmd::ascend::is_vector())

// From here on these names are statements of the text. Numbers begin at 0 with the first of them.
namespace mpmd::ascend {
constexpr int sites_before = __COUNTER__ + 1;
}
#define MPMD_SITE SyncSite(__COUNTER__ - ::mpmd::ascend::sites_before, ::mpmd::sim::Place{__FILE__, __LINE__})
#define SetFlag MPMD_SITE.SetFlag
#define WaitFlag MPMD_SITE.WaitFlag
#define PipeBarrier MPMD_SITE.PipeBarrier
#define CrossCoreSetFlag MPMD_SITE.CrossCoreSetFlag
#define CrossCoreWaitFlag MPMD_SITE.CrossCoreWaitFlag
#define DataCacheCleanAndInvalid MPMD_SITE.DataCacheCleanAndInvalid
