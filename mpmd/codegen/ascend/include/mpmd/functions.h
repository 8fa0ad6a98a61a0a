// Sine, cosine, the error function and powers of floats, which a vector core has not.
//
// In:  tiles of floats, tiles to work in. Out: tiles.
// Not here: exp, log and square roots, which it has (vector.h); quotients with remainders (scalar.h).
//
// Polynomials are those of the header library for CPUs, evaluated by Horner's rule; sine and cosine reduce their
// argument by parts of pi / 2 whose products with whole numbers are exact (Cody and Waite, 1980), which holds for
// arguments up to 8192; of larger ones the results lose digits.
#pragma once

#include "mpmd/lanes.h"

namespace mpmd {

using Floats = Tile<float>;

/// out = (…(c0 z + c1) z + …) z + cn; `out` is not `z`.
template <int kTerms>
__aicore__ inline void horner(const Floats& out, const Floats& z, const float (&c)[kTerms], Shape s) {
  using namespace AscendC;
  muls(out, z, c[0], s);
  for (int i = 1; i < kTerms; ++i) {
    PipeBarrier<PIPE_V>();  // the terms before
    adds(out, out, c[i], s);
    if (i + 1 == kTerms) break;
    PipeBarrier<PIPE_V>();  // with the next coefficient
    mul(out, out, z, s);
  }
}

/// out = sin(x + quarter pi / 2).
__aicore__ inline void sine(
    const Floats& out, const Floats& x, const Floats& n, const Floats& r, const Floats& z, const Floats& work, const Floats& even,
    int32_t quarter, Shape s) {
  using namespace AscendC;
  const float parts[] = {-0x1.92p+0f, -0x1.fbp-12f, -0x1.51p-22f, -0x1.0b4612p-34f};
  muls(n, x, 0x1.45f306p-1f, s);
  PipeBarrier<PIPE_V>();  // in quarters of a turn
  cast(n, n, RoundMode::CAST_RINT, s);
  adds(r, x, 0.0f, s);
  for (int i = 0; i < 4; ++i) {
    PipeBarrier<PIPE_V>();  // whole quarters; what is left so far; `work` has been read
    muls(work, n, parts[i], s);
    PipeBarrier<PIPE_V>();  // a part of each
    add(r, r, work, s);
  }
  PipeBarrier<PIPE_V>();  // within an eighth of a turn
  mul(z, r, r, s);
  PipeBarrier<PIPE_V>();  // its square
  horner(out, z, {0x1.6cbecep-19f, -0x1.a00f32p-13f, 0x1.111108p-7f, -0x1.555556p-3f}, s);
  horner(even, z, {-0x1.2417e2p-22f, 0x1.a010c4p-16f, -0x1.6c16b8p-10f, 0x1.555556p-5f, -0.5f, 1.0f}, s);
  mul(work, z, r, s);
  PipeBarrier<PIPE_V>();  // all three
  mul(out, out, work, s);
  PipeBarrier<PIPE_V>();  // what sine has beyond its argument
  add(out, out, r, s);
  const Tile<int32_t> turn = words(work), odd = words(z);
  cast(turn, n, RoundMode::CAST_RINT, s);
  PipeBarrier<PIPE_V>();  // quarters as integers
  adds(turn, turn, quarter, s);
  PipeBarrier<PIPE_V>();  // with the one that is asked for
  shift_left(odd, turn, int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // whether it is an odd one
  shift_right(odd, odd, int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // as a bool
  select(r, odd, even, out, n, s);
  shift_left(turn, turn, int32_t{30}, s);
  PipeBarrier<PIPE_V>();  // whether it is the second half of a turn
  shift_right(turn, turn, int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // as a bool; what was chosen
  cast(n, turn, RoundMode::CAST_RINT, s);
  PipeBarrier<PIPE_V>();  // as 0 or -1
  muls(n, n, 2.0f, s);
  PipeBarrier<PIPE_V>();  // twice
  adds(n, n, 1.0f, s);
  PipeBarrier<PIPE_V>();  // 1 or -1
  mul(out, r, n, s);
}

/// A polynomial near 0, and 1 - exp of one beyond.
__aicore__ inline void erf(
    const Floats& out, const Floats& x, const Floats& size, const Floats& near, const Floats& four, const Floats& work, Shape s) {
  using namespace AscendC;
  abs(size, x, s);
  mul(work, x, x, s);
  fill(four, 4.0f, s);
  PipeBarrier<PIPE_V>();  // the square
  horner(near, work, {-0x1.40685ep-11f, 0x1.48be58p-8f, -0x1.b6cbacp-6f, 0x1.ce1ec2p-4f, -0x1.8127p-2f, 0x1.06eba6p-3f}, s);
  PipeBarrier<PIPE_V>();  // what erf has beyond its argument; all before
  mul(near, near, x, s);
  minimum(four, size, four, s);  // erf is 1 from there on
  PipeBarrier<PIPE_V>();         // both
  add(near, near, x, s);
  horner(
      out, four,
      {0x1.55be5cp-16f, -0x1.beda94p-12f, 0x1.0ebe7cp-8f, -0x1.99dbb2p-6f, 0x1.baddf8p-4f, 0x1.4458a2p-1f, 0x1.21235cp+0f, -0x1.50b16ap-13f},
      s);
  PipeBarrier<PIPE_V>();  // -log(1 - erf)
  muls(out, out, -1.0f, s);
  PipeBarrier<PIPE_V>();  // its negative
  exp(out, out, s);
  PipeBarrier<PIPE_V>();  // 1 - erf
  muls(out, out, -1.0f, s);
  PipeBarrier<PIPE_V>();  // its negative
  adds(out, out, 1.0f, s);
  const Tile<int32_t> sign = words(work);
  shift_right(sign, words(x), int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // without its sign; -1 where there is one; `four` has been read
  cast(four, sign, RoundMode::CAST_RINT, s);
  PipeBarrier<PIPE_V>();  // as a float
  muls(four, four, 2.0f, s);
  PipeBarrier<PIPE_V>();  // twice
  adds(four, four, 1.0f, s);
  PipeBarrier<PIPE_V>();  // 1 or -1
  mul(out, out, four, s);
  adds(size, size, -0.875f, s);
  PipeBarrier<PIPE_V>();  // far; below 0 near 0
  shift_right(sign, words(size), int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // as a bool
  select(size, sign, near, out, four, s);
  PipeBarrier<PIPE_V>();  // what was chosen
  adds(out, size, 0.0f, s);
}

/// exp(b log |a|), with the sign of a power of a negative number: none is left of a broken exponent.
__aicore__ inline void power(
    const Floats& out, const Floats& a, const Floats& b, const Floats& size, const Floats& part, const Floats& sign, const Floats& work,
    Shape s) {
  using namespace AscendC;
  abs(size, a, s);
  muls(part, b, 0.5f, s);
  PipeBarrier<PIPE_V>();  // both
  log(size, size, s);
  cast(part, part, RoundMode::CAST_FLOOR, s);
  PipeBarrier<PIPE_V>();  // both
  mul(size, size, b, s);
  muls(part, part, -2.0f, s);
  PipeBarrier<PIPE_V>();  // both
  exp(size, size, s);
  add(part, part, b, s);
  PipeBarrier<PIPE_V>();  // |a|^b; 0 where `b` is even, 1 where it is odd
  muls(sign, part, -2.0f, s);
  mul(work, part, part, s);
  PipeBarrier<PIPE_V>();  // both
  adds(sign, sign, 1.0f, s);
  sub(work, work, part, s);
  PipeBarrier<PIPE_V>();  // 1 or -1; 0 where `b` is whole
  abs(work, work, s);
  PipeBarrier<PIPE_V>();  // above 0 where it is not
  muls(work, work, -1.0f, s);
  PipeBarrier<PIPE_V>();  // below
  sqrt(work, work, s);
  PipeBarrier<PIPE_V>();  // no number
  add(sign, sign, work, s);
  PipeBarrier<PIPE_V>();  // nor is the sign
  mul(sign, sign, size, s);
  adds(part, a, 0.0f, s);
  PipeBarrier<PIPE_V>();  // the power of a negative number; -0 is none
  shift_right(words(part), words(part), int32_t{31}, s);
  PipeBarrier<PIPE_V>();  // whether it is one
  select(out, words(part), sign, size, work, s);
  abs(part, b, s);
  fill(size, 1.0f, s);
  PipeBarrier<PIPE_V>();  // 0 has no sign
  nonzero(words(sign), words(part), s);
  PipeBarrier<PIPE_V>();  // whether the exponent is one
  select(part, words(sign), out, size, work, s);
  PipeBarrier<PIPE_V>();  // the power of 0 is 1
  adds(out, part, 0.0f, s);
}

}  // namespace mpmd
