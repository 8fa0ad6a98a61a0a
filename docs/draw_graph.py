"""Draws docs/graph.svg: the decode step of SmolLM2 as a task graph in groups."""

import re
from pathlib import Path

import mpmd
from examples.smollm2.kernels import GROUP, HEAD, KV, Cache, Weights, decode
from mpmd import f32, i32
from mpmd.visual.graph_drawing import draw
from mpmd.visual.groups import groups

LAYERS, HIDDEN, WIDE, VOCABULARY, CAPACITY = 30, 576, 1536, 49152, 2048


def main() -> None:
    weights = Weights(
        table=mpmd.spec(f32, (VOCABULARY, HIDDEN)),
        attention_norm=mpmd.spec(f32, (LAYERS, HIDDEN)),
        qkv=mpmd.spec(f32, (LAYERS, (GROUP * KV + 2 * KV) * HEAD, HIDDEN)),
        out=mpmd.spec(f32, (LAYERS, HIDDEN, HIDDEN)),
        mlp_norm=mpmd.spec(f32, (LAYERS, HIDDEN)),
        gate=mpmd.spec(f32, (LAYERS, WIDE, HIDDEN)),
        up=mpmd.spec(f32, (LAYERS, WIDE, HIDDEN)),
        down=mpmd.spec(f32, (LAYERS, HIDDEN, WIDE)),
        final_norm=mpmd.spec(f32, (HIDDEN,)),
        cos=mpmd.spec(f32, (CAPACITY, HEAD // 2)),
        sin=mpmd.spec(f32, (CAPACITY, HEAD // 2)),
    )
    keys = mpmd.spec(f32, (LAYERS, KV, CAPACITY, HEAD))
    token, logits = mpmd.spec(i32, (1,)), mpmd.spec(f32, (1, VOCABULARY))
    compiled = mpmd.compile(decode, weights, Cache(keys, keys), token, logits, token, 0, cores=8, choice=None)
    picture = draw(compiled.graph, groups(compiled.graph))
    without_links = re.sub(r" href='file:[^']*'", "", picture)  # they lead to files of this computer
    Path(__file__).with_name("graph.svg").write_text(without_links)


if __name__ == "__main__":
    main()
