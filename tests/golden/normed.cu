// Kernel 'normed'. Which core runs which function on which data is in the tables.
#include "mpmd/driver.h"
#include "mpmd/dot.h"

// norm(x: In[f32, T, H], w: In[f32, H], y: Out[f32, T, H])
// kernels.py:27  T ≤ 8  H = 192
template <class T_extent>
static __device__ void norm_body(mpmd::Core& core, const mpmd::Word* row, const T_extent T) {
  const mpmd::f32* const x = mpmd::tensor<const mpmd::f32>(core, row, 0);
  const mpmd::f32* const w = mpmd::tensor<const mpmd::f32>(core, row, 3);
  mpmd::f32* const y = mpmd::tensor<mpmd::f32>(core, row, 5);
#line 29 "kernels.py"
  mpmd::f32* const t2 = mpmd::scratch<mpmd::f32>(core, 0);
  for (mpmd::Word i0 = mpmd::first_row(); i0 < T; i0 += mpmd::rows_apart) {
    mpmd::put_row(t2 + i0, mpmd::fold_row<mpmd::Sum, mpmd::f32, 4>(192, [&](auto L, mpmd::Word r) MPMD_BODY {
      const auto v0 = mpmd::load(L, x + (192 * i0 + r));
#line 29 "kernels.py"
      const auto v1 = mpmd::mul(v0, v0);
      return v1;
    }));
  }
#line 29 "kernels.py"
  mpmd::f32* const t8 = mpmd::scratch<mpmd::f32>(core, 64);
  mpmd::device::barrier();
  mpmd::map<4>(T, [&](auto L, mpmd::Word i0) MPMD_BODY {
    const auto v2 = mpmd::load(L, t2 + i0);
#line 29 "kernels.py"
    const auto v5 = mpmd::div(v2, mpmd::splat<mpmd::f32>(L, 192.0f));
#line 29 "kernels.py"
    const auto v7 = mpmd::add(v5, mpmd::splat<mpmd::f32>(L, 1e-05f));
#line 29 "kernels.py"
    const auto v8 = mpmd::rsqrt(v7);
    mpmd::store(L, t8 + i0, v8);
  });
#line 29 "kernels.py"
  mpmd::device::barrier();
  mpmd::map<4>(T, 192, [&](auto L, mpmd::Word i0, mpmd::Word i1) MPMD_BODY {
    const auto v0 = mpmd::load(L, x + (192 * i0 + i1));
    const auto v8 = mpmd::splat(L, *(t8 + i0));
#line 29 "kernels.py"
    const auto v10 = mpmd::mul(v0, v8);
    const auto v11 = mpmd::load(L, w + i1);
#line 29 "kernels.py"
    const auto v12 = mpmd::mul(v10, v11);
    mpmd::store(L, y + (192 * i0 + i1), v12);
  });
#line 48 "normed.cu"
}
static __device__ void norm(mpmd::Core& core, const mpmd::Word* row) {
  const mpmd::Word T = row[2];
  if (T == 8) return norm_body(core, row, mpmd::Fixed<8>{});
  norm_body(core, row, T);
}

struct Functions {
  MPMD_INLINE void operator()(mpmd::Core& core, int function, const mpmd::Word* row) const {
    switch (function) {
      case 0:
        mpmd::give_scratch<128>(core);
        return norm(core, row);
    }
  }
};

MPMD_KERNEL mpmd_kernel(const mpmd::Launch* launch, int stretch, mpmd::Word iteration) {
  mpmd::run_core(launch, stretch, iteration, Functions{});
}
