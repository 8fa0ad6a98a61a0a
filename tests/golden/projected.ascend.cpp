// Kernel 'projected'. Which core runs which function on which data is in the tables.
#include "mpmd/driver.h"
#include "mpmd/functions.h"
#include "mpmd/cube.h"

// linear_1(x: In[f16, T, K], w: In[f16, N, K], t3: Out[f32, T, N])
// kernels.py:30  T = 8  K = 192  N = 32
__aicore__ inline void linear_1(const mpmd::Launch& launch, mpmd::Row row) {
  __gm__ half* const x = mpmd::tensor<half>(launch, row, 0);
  __gm__ half* const w = mpmd::tensor<half>(launch, row, 2);
  __gm__ float* const t3_ = mpmd::tensor<float>(launch, row, 4);
#line 30 "kernels.py"
  mpmd::product(mpmd::Matrix<float, false>{t3_, 32}, mpmd::Matrix<half, false>{x, 192}, mpmd::Matrix<half, true>{w, 192}, static_cast<uint32_t>(8), static_cast<uint32_t>(32), static_cast<uint32_t>(192));
#line 15 "kernel.cpp"
}

// linear_2(y: Out[f16, T, N], t3: In[f32, T, N])
// kernels.py:30  T = 8  N = 32
__aicore__ inline void linear_2(const mpmd::Launch& launch, mpmd::Row row) {
  __gm__ half* const y = mpmd::tensor<half>(launch, row, 0);
  __gm__ float* const t3_ = mpmd::tensor<float>(launch, row, 2);
  const mpmd::Tile<float> v1 = mpmd::tile<float>(0, 256);  // t3[…]
  const mpmd::Tile<float> v2 = mpmd::tile<float>(1024, 256);  // fill
  const mpmd::Tile<float> v3 = mpmd::tile<float>(2048, 256);  // maximum
  const mpmd::Tile<half> v4 = mpmd::tile<half>(3072, 256);  // cast
#line 30 "kernels.py"
  mpmd::load(v1, t3_, mpmd::Shape{8, 32, 32}, 32);
#line 31 "kernels.py"
  mpmd::fill(v2, 0.0f, mpmd::Shape{8, 32, 32});
#line 31 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // maximum reads v2, which fill writes
  AscendC::SetFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID0); AscendC::WaitFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID0);  // maximum reads v1, which load writes
  mpmd::maximum(v3, v1, v2, mpmd::Shape{8, 32, 32});
#line 31 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // cast reads v3, which maximum writes
  mpmd::cast(v4, v3, AscendC::RoundMode::CAST_RINT, mpmd::Shape{8, 32, 32});
#line 31 "kernels.py"
  AscendC::SetFlag<AscendC::HardEvent::V_MTE3>(EVENT_ID0); AscendC::WaitFlag<AscendC::HardEvent::V_MTE3>(EVENT_ID0);  // store reads v4, which cast writes
  mpmd::store(y, v4, mpmd::Shape{8, 32, 32}, 64);
#line 41 "kernel.cpp"
}

struct Cube {
  static __aicore__ inline void run(const mpmd::Launch& launch, mpmd::Word function, mpmd::Row row) {
    if (function == 0) return linear_1(launch, row);
  }
};

struct Vector {
  static __aicore__ inline void run(const mpmd::Launch& launch, mpmd::Word function, mpmd::Row row) {
    if (function == 1) return linear_2(launch, row);
  }
};

extern "C" __schedmode__(1) __global__ __mix__(1, 2) void mpmd_kernel(mpmd::Launch launch)
{
  AscendC::InitSocState();
  if ASCEND_IS_AIC { mpmd::run_core<Cube>(launch, mpmd::this_core()); }
  if ASCEND_IS_AIV { mpmd::run_core<Vector>(launch, mpmd::this_core()); }
}
