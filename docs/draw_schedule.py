"""Draws docs/schedule.svg: the decode step of SmolLM2 cut to one layer, on two cores, as scheduled."""

from pathlib import Path

import mpmd
from examples.smollm2.kernels import GROUP, HEAD, KV, Cache, Weights, decode
from mpmd import f32, i32
from mpmd.visual import schedule_svg

HIDDEN, WIDE, VOCABULARY, CAPACITY = 576, 1536, 4096, 2048


def main() -> None:
    weights = Weights(
        table=mpmd.spec(f32, (VOCABULARY, HIDDEN)),
        attention_norm=mpmd.spec(f32, (1, HIDDEN)),
        qkv=mpmd.spec(f32, (1, (GROUP * KV + 2 * KV) * HEAD, HIDDEN)),
        out=mpmd.spec(f32, (1, HIDDEN, HIDDEN)),
        mlp_norm=mpmd.spec(f32, (1, HIDDEN)),
        gate=mpmd.spec(f32, (1, WIDE, HIDDEN)),
        up=mpmd.spec(f32, (1, WIDE, HIDDEN)),
        down=mpmd.spec(f32, (1, HIDDEN, WIDE)),
        final_norm=mpmd.spec(f32, (HIDDEN,)),
        cos=mpmd.spec(f32, (CAPACITY, HEAD // 2)),
        sin=mpmd.spec(f32, (CAPACITY, HEAD // 2)),
    )
    keys = mpmd.spec(f32, (1, KV, CAPACITY, HEAD))
    token, logits = mpmd.spec(i32, (1,)), mpmd.spec(f32, (1, VOCABULARY))
    compiled = mpmd.compile(decode, weights, Cache(keys, keys), token, logits, token, 0, cores=2)
    title = "SmolLM2 decode step, one layer, vocabulary cut to 4096"
    Path(__file__).with_name("schedule.svg").write_text(schedule_svg(compiled.schedule, title=title))


if __name__ == "__main__":
    main()
