// The device: threads of a block, shared memory, atomics in global memory, and what has no name in C++.
//
// In:  nothing. Out: the functions of namespace `mpmd::device`, and four macros. Only this file names what
// a GPU's compiler gives (built-in variables, intrinsics, PTX), so that another text with the same names can
// stand in its place:
//   macros          MPMD_INLINE MPMD_DEVICE MPMD_KERNEL MPMD_BODY
//   threads         threads warps lanes thread() lane() warp() block()
//   meeting         barrier() barrier_any() warp_barrier() shuffle_down() shuffle()
//   memory          shared_memory() copy()
//   global memory   add_release() store_release() load_acquire() store_relaxed() load_relaxed()
//                   exchange_if_equal()
//   time            pause() nanoseconds()
//   16-bit floats   f16_bits() f16_value() bf16_bits() bf16_value()
//   tensor cores    multiply_accumulate()
//   functions       product() fused() exp() log() sqrt() tanh() erf() sin() cos() floor() round() fmod()
//                   pow() copy_sign() infinity() not_a_number()
// Not here: what they are used for.
#pragma once

#define MPMD_INLINE __device__ __forceinline__
#define MPMD_DEVICE __device__ __noinline__
#define MPMD_KERNEL extern "C" __global__ void __launch_bounds__(256, 1)
#define MPMD_BODY  // after the parameters of a lambda that a loop calls

namespace mpmd {

typedef long long Word;  // one word of a row: 64 bits

typedef double f64;
typedef float f32;
typedef long long i64;
typedef int i32;
typedef signed char i8;
typedef unsigned char u8;
struct f16 {
  unsigned short bits;
};
struct bf16 {
  unsigned short bits;
};

namespace device {

// -- threads ---------------------------------------------------------------------------------------

constexpr int threads = 256;  // of a block
constexpr int lanes = 32;     // of a warp
constexpr int warps = threads / lanes;

MPMD_INLINE int thread() { return static_cast<int>(threadIdx.x); }
MPMD_INLINE int lane() { return static_cast<int>(threadIdx.x) % lanes; }
MPMD_INLINE int warp() { return static_cast<int>(threadIdx.x) / lanes; }
MPMD_INLINE int block() { return static_cast<int>(blockIdx.x); }

// All threads of the block; what each has done before is seen by all after.
MPMD_INLINE void barrier() { __syncthreads(); }
MPMD_INLINE bool barrier_any(bool condition) { return __syncthreads_or(condition) != 0; }

// All lanes of the warp.
MPMD_INLINE void warp_barrier() { __syncwarp(); }
MPMD_INLINE unsigned shuffle_down(unsigned value, int by) { return __shfl_down_sync(0xffffffffu, value, by); }
MPMD_INLINE unsigned shuffle(unsigned value, int from) { return __shfl_sync(0xffffffffu, value, from); }

// The block's shared memory, as many bytes as the launch gave it.
MPMD_INLINE char* shared_memory() {
  extern __shared__ __align__(128) char mpmd_shared_memory[];
  return mpmd_shared_memory;
}

MPMD_INLINE void copy(void* to, const void* from, unsigned long bytes) { ::memcpy(to, from, bytes); }

// -- global memory, between the blocks of a launch -----------------------------------------------------

MPMD_INLINE void add_release(unsigned* place, unsigned amount) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(place), "r"(amount) : "memory");
}
MPMD_INLINE void store_release(unsigned* place, unsigned value) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(place), "r"(value) : "memory");
}
MPMD_INLINE void store_release(unsigned long long* place, unsigned long long value) {
  asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(place), "l"(value) : "memory");
}
MPMD_INLINE unsigned load_acquire(const unsigned* place) {
  unsigned value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(place) : "memory");
  return value;
}
MPMD_INLINE unsigned long long load_acquire(const unsigned long long* place) {
  unsigned long long value;
  asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(place) : "memory");
  return value;
}
MPMD_INLINE void store_relaxed(unsigned* place, unsigned value) {
  asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(place), "r"(value) : "memory");
}
MPMD_INLINE void store_relaxed(long long* place, long long value) {
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(place), "l"(value) : "memory");
}
MPMD_INLINE unsigned load_relaxed(const unsigned* place) {
  unsigned value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(place) : "memory");
  return value;
}
MPMD_INLINE long long load_relaxed(const long long* place) {
  long long value;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(place) : "memory");
  return value;
}
// `value` into `place` if `expected` is there; what was there. Relaxed.
MPMD_INLINE unsigned exchange_if_equal(unsigned* place, unsigned expected, unsigned value) {
  unsigned found;
  asm volatile("atom.relaxed.gpu.global.cas.b32 %0, [%1], %2, %3;"
               : "=r"(found)
               : "l"(place), "r"(expected), "r"(value)
               : "memory");
  return found;
}

// -- time ------------------------------------------------------------------------------------------

// Between two looks at a counter.
MPMD_INLINE void pause() { __nanosleep(32); }
MPMD_INLINE long long nanoseconds() {
  long long now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  return now;
}

// -- 16-bit floats: to the nearest, half to even ---------------------------------------------------------

MPMD_INLINE unsigned short f16_bits(f32 x) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
MPMD_INLINE f32 f16_value(unsigned short bits) {
  f32 x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}
MPMD_INLINE unsigned short bf16_bits(f32 x) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
MPMD_INLINE f32 bf16_value(unsigned short bits) { return __uint_as_float(static_cast<unsigned>(bits) << 16); }

// -- tensor cores ------------------------------------------------------------------------------------

// A warp's C[16, 8] += A[16, 16] · B[16, 8], in the registers that PTX gives the lanes for mma.m16n8k16: two
// neighbours along k in each word of A and B. The first argument says what A and B are made of.
MPMD_INLINE void multiply_accumulate(f16, f32 (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
MPMD_INLINE void multiply_accumulate(bf16, f32 (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// -- functions -----------------------------------------------------------------------------------------

// a · b rounded, whatever it is added to; and a · b + c rounded once.
MPMD_INLINE f32 product(f32 a, f32 b) { return __fmul_rn(a, b); }
MPMD_INLINE f64 product(f64 a, f64 b) { return __dmul_rn(a, b); }
MPMD_INLINE f32 fused(f32 a, f32 b, f32 c) { return __fmaf_rn(a, b, c); }
MPMD_INLINE f64 fused(f64 a, f64 b, f64 c) { return __fma_rn(a, b, c); }

MPMD_INLINE f32 exp(f32 x) { return ::expf(x); }
MPMD_INLINE f64 exp(f64 x) { return ::exp(x); }
MPMD_INLINE f32 log(f32 x) { return ::logf(x); }
MPMD_INLINE f64 log(f64 x) { return ::log(x); }
MPMD_INLINE f32 sqrt(f32 x) { return __fsqrt_rn(x); }
MPMD_INLINE f64 sqrt(f64 x) { return __dsqrt_rn(x); }
MPMD_INLINE f32 tanh(f32 x) { return ::tanhf(x); }
MPMD_INLINE f64 tanh(f64 x) { return ::tanh(x); }
MPMD_INLINE f32 erf(f32 x) { return ::erff(x); }
MPMD_INLINE f64 erf(f64 x) { return ::erf(x); }
MPMD_INLINE f32 sin(f32 x) { return ::sinf(x); }
MPMD_INLINE f64 sin(f64 x) { return ::sin(x); }
MPMD_INLINE f32 cos(f32 x) { return ::cosf(x); }
MPMD_INLINE f64 cos(f64 x) { return ::cos(x); }
MPMD_INLINE f32 floor(f32 x) { return ::floorf(x); }
MPMD_INLINE f64 floor(f64 x) { return ::floor(x); }
MPMD_INLINE f32 round(f32 x) { return ::rintf(x); }  // half to even
MPMD_INLINE f64 round(f64 x) { return ::rint(x); }
MPMD_INLINE f32 fmod(f32 x, f32 y) { return ::fmodf(x, y); }
MPMD_INLINE f64 fmod(f64 x, f64 y) { return ::fmod(x, y); }
MPMD_INLINE f32 pow(f32 x, f32 y) { return ::powf(x, y); }
MPMD_INLINE f64 pow(f64 x, f64 y) { return ::pow(x, y); }
MPMD_INLINE f32 copy_sign(f32 x, f32 sign) { return ::copysignf(x, sign); }
MPMD_INLINE f64 copy_sign(f64 x, f64 sign) { return ::copysign(x, sign); }
MPMD_INLINE f32 infinity() { return __int_as_float(0x7f800000); }
MPMD_INLINE f32 not_a_number() { return __int_as_float(0x7fc00000); }

}  // namespace device
}  // namespace mpmd
