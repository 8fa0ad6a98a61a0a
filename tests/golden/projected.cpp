// Kernel 'projected'. Which core runs which function on which data is in the tables.
#include "mpmd/driver.h"
#include "mpmd/row.h"
#include "mpmd/dot.h"
#include "mpmd/check.h"
static_assert(mpmd::dot_scratch_bytes <= 777216);

// linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N])
// kernels.py:33  T = 8  K = 192  N = 32
static void linear(mpmd::Core& core, const mpmd::Word* row) {
  const mpmd::f32* const x = mpmd::tensor<const mpmd::f32>(core, row, 0);
  const mpmd::f32* const w = mpmd::tensor<const mpmd::f32>(core, row, 2);
  mpmd::f32* const y = mpmd::tensor<mpmd::f32>(core, row, 4);
#line 35 "kernels.py"
  mpmd::f32* const t2 = mpmd::scratch<mpmd::f32>(core, 777216);
  mpmd::map<4>(256, [&](auto L, mpmd::Word i0) MPMD_BODY {
    mpmd::store(L, t2 + i0, mpmd::splat<mpmd::f32>(L, 0.0f));
  });
  for (mpmd::Word t_start = 0; t_start < 192; t_start += 128) {
    const mpmd::Word t_size = mpmd::least(128, 192 - t_start);
#line 36 "kernels.py"
    mpmd::f32* const t6 = mpmd::scratch<mpmd::f32>(core, 778240);
    mpmd::dot(8, 32, t_size, mpmd::matrix<const mpmd::f32>(x + t_start, 192, 1), mpmd::matrix<const mpmd::f32>(w + t_start, 1, 192), mpmd::matrix<mpmd::f32>(t6, 32, 1), false, mpmd::scratch<char>(core, 0));
#line 35 "kernels.py"
    mpmd::map<4>(256, [&](auto L, mpmd::Word i0) MPMD_BODY {
      const auto v2 = mpmd::load(L, t2 + i0);
      const auto v6 = mpmd::load(L, t6 + i0);
#line 36 "kernels.py"
      const auto v7 = mpmd::add(v2, v6);
      mpmd::store(L, t2 + i0, v7);
    });
  }
#line 37 "kernels.py"
  mpmd::map<4>(8, 32, [&](auto L, mpmd::Word i0, mpmd::Word i1) MPMD_BODY {
    const auto v8 = mpmd::load(L, t2 + (32 * i0 + i1));
#line 37 "kernels.py"
    const auto v10 = mpmd::maximum(v8, mpmd::splat<mpmd::f32>(L, 0.0f));
    mpmd::store(L, y + (64 * i0 + i1), v10);
  });
#line 41 "projected.cpp"
}

static const mpmd::Function functions[] = {linear};

extern "C" __attribute__((visibility("default"))) void mpmd_kernel(mpmd::Core* core) {
  mpmd::run_core(*core, functions);
}
extern "C" __attribute__((visibility("default"))) void mpmd_kernel_stamped(mpmd::Core* core) {
  mpmd::run_core<mpmd::Stamped>(*core, functions);
}
