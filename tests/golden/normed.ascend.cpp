// Kernel 'normed'. Which core runs which function on which data is in the tables.
#include "mpmd/driver.h"
#include "mpmd/functions.h"
#include "mpmd/cube.h"

// norm(x: In[f32, T, H], w: In[f32, H], y: Out[f32, T, H])
// kernels.py:24  T ≤ 8  H = 192
__aicore__ inline void norm(const mpmd::Launch& launch, mpmd::Row row) {
  __gm__ float* const x = mpmd::tensor<float>(launch, row, 0);
  const mpmd::Word T = row[2];
  __gm__ float* const w = mpmd::tensor<float>(launch, row, 3);
  __gm__ float* const y = mpmd::tensor<float>(launch, row, 5);
  const mpmd::Tile<float> v1 = mpmd::tile<float>(0, 1536);  // x[…]
  const mpmd::Tile<float> v2 = mpmd::tile<float>(6144, 1536);  // mul
  const mpmd::Tile<float> v3 = mpmd::tile<float>(12288, 16);  // sum
  const mpmd::Tile<float> s4 = mpmd::tile<float>(12352, 16);  // sums of 64 columns
  const mpmd::Tile<float> v5 = mpmd::tile<float>(12416, 16);  // fill
  const mpmd::Tile<float> v6 = mpmd::tile<float>(12480, 16);  // div
  const mpmd::Tile<float> v7 = mpmd::tile<float>(12544, 16);  // adds
  const mpmd::Tile<float> v8 = mpmd::tile<float>(12608, 16);  // sqrt
  const mpmd::Tile<float> v9 = mpmd::tile<float>(12672, 16);  // fill
  const mpmd::Tile<float> v10 = mpmd::tile<float>(12736, 16);  // div
  const mpmd::Tile<float> s12 = mpmd::tile<float>(12800, 8);  // a number for each row, and zeros
  const mpmd::Tile<float> v11 = mpmd::tile<float>(12832, 1536);  // spread
  const mpmd::Tile<float> s13 = mpmd::tile<float>(18976, 64);  // a block for each row
  const mpmd::Tile<float> v14 = mpmd::tile<float>(19232, 1536);  // mul
  const mpmd::Tile<float> v15 = mpmd::tile<float>(25376, 192);  // w[…]
  const mpmd::Tile<float> v16 = mpmd::tile<float>(26144, 1536);  // repeat
  const mpmd::Tile<float> v17 = mpmd::tile<float>(32288, 1536);  // mul
#line 25 "kernels.py"
  mpmd::load(v1, x, mpmd::Shape{static_cast<uint32_t>(T), 192, 192}, 192);
#line 26 "kernels.py"
  AscendC::SetFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID0); AscendC::WaitFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID0);  // mul reads v1, which load writes
  mpmd::mul(v2, v1, v1, mpmd::Shape{static_cast<uint32_t>(T), 192, 192});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // fold_rows reads v2, which mul writes
  mpmd::fold_rows<AscendC::ReduceType::SUM>(v3, v2, s4, mpmd::Shape{static_cast<uint32_t>(T), 192, 192});
#line 26 "kernels.py"
  mpmd::fill(v5, 192.0f, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // div reads v5, which fill writes
  mpmd::div(v6, v3, v5, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // adds reads v6, which div writes
  mpmd::adds(v7, v6, 1e-05f, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // sqrt reads v7, which adds writes
  mpmd::sqrt(v8, v7, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  mpmd::fill(v9, 1.0f, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // div reads v9, which fill writes
  mpmd::div(v10, v9, v8, mpmd::Shape{1, static_cast<uint32_t>(T), 16});
#line 26 "kernels.py"
  mpmd::clear(s12);
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // spread reads s12, which clear writes
  mpmd::spread(v11, v10, s12, s13, mpmd::Shape{static_cast<uint32_t>(T), 192, 192}, static_cast<uint32_t>(T));
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // mul reads v11, which spread writes
  mpmd::mul(v14, v1, v11, mpmd::Shape{static_cast<uint32_t>(T), 192, 192});
#line 26 "kernels.py"
  mpmd::load(v15, w, mpmd::Shape{1, 192, 192}, 1);
#line 26 "kernels.py"
  AscendC::SetFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID1); AscendC::WaitFlag<AscendC::HardEvent::MTE2_V>(EVENT_ID1);  // repeat reads v15, which load writes
  mpmd::repeat(v16, v15, mpmd::Shape{static_cast<uint32_t>(T), 192, 192});
#line 26 "kernels.py"
  AscendC::PipeBarrier<PIPE_V>();  // mul reads v16, which repeat writes
  mpmd::mul(v17, v14, v16, mpmd::Shape{static_cast<uint32_t>(T), 192, 192});
#line 26 "kernels.py"
  AscendC::SetFlag<AscendC::HardEvent::V_MTE3>(EVENT_ID0); AscendC::WaitFlag<AscendC::HardEvent::V_MTE3>(EVENT_ID0);  // store reads v17, which mul writes
  mpmd::store(y, v17, mpmd::Shape{static_cast<uint32_t>(T), 192, 192}, 192);
#line 74 "kernel.cpp"
}

struct Cube {
  static __aicore__ inline void run(const mpmd::Launch&, mpmd::Word, mpmd::Row) {}
};

struct Vector {
  static __aicore__ inline void run(const mpmd::Launch& launch, mpmd::Word function, mpmd::Row row) {
    if (function == 0) return norm(launch, row);
  }
};

extern "C" __schedmode__(1) __global__ __mix__(1, 2) void mpmd_kernel(mpmd::Launch launch)
{
  AscendC::InitSocState();
  if ASCEND_IS_AIC { mpmd::run_core<Cube>(launch, mpmd::this_core()); }
  if ASCEND_IS_AIV { mpmd::run_core<Vector>(launch, mpmd::this_core()); }
}
