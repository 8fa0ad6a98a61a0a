"""Draws docs/schedule.svg: the decode step of SmolLM2 cut to one layer, on two cores, as scheduled."""

from pathlib import Path

import mpmd
from examples.smollm2.kernels import GROUP, HEAD, KV, decode
from mpmd.visual import schedule_svg

HIDDEN, WIDE, VOCABULARY, CAPACITY = 576, 1536, 4096, 2048
HEADS = (GROUP * KV + 2 * KV) * HEAD


def main() -> None:
    f32, i32 = mpmd.f32, mpmd.i32
    cache = mpmd.spec(f32, (1, KV, CAPACITY, HEAD))
    specs = [
        mpmd.spec(f32, (VOCABULARY, HIDDEN)),
        mpmd.spec(f32, (1, HIDDEN)),
        mpmd.spec(f32, (1, HEADS, HIDDEN)),
        mpmd.spec(f32, (1, HIDDEN, HIDDEN)),
        mpmd.spec(f32, (1, HIDDEN)),
        mpmd.spec(f32, (1, WIDE, HIDDEN)),
        mpmd.spec(f32, (1, WIDE, HIDDEN)),
        mpmd.spec(f32, (1, HIDDEN, WIDE)),
        mpmd.spec(f32, (CAPACITY, HEAD // 2)),
        mpmd.spec(f32, (CAPACITY, HEAD // 2)),
        mpmd.spec(f32, (HIDDEN,)),
        cache,
        cache,
        mpmd.spec(i32, (1,)),
        mpmd.spec(f32, (1, VOCABULARY)),
        mpmd.spec(i32, (1,)),
    ]
    compiled = mpmd.compile(decode, *specs, 0, cores=2)
    title = "SmolLM2 decode step, one layer, vocabulary cut to 4096"
    Path(__file__).with_name("schedule.svg").write_text(schedule_svg(compiled.schedule, title=title))


if __name__ == "__main__":
    main()
