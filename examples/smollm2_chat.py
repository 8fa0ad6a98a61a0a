"""A real language model as one fused kernel on CPU threads: SmolLM2-135M-Instruct answers a prompt.

    python examples/smollm2_chat.py --prompt "What is the capital of France?" --max-tokens 16

`--tokens-per-launch 8` lets the kernel feed itself, eight tokens a launch.
`--verify` replays the answer in a plain NumPy model and compares the logits of every step.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator

import numpy as np
from smollm2 import kernels, reference, weights
from smollm2.tokenizer import Tokenizer

TOLERANCE = 1e-4
"""Largest |Δlogit| allowed, relative to the largest |logit| of the reference at that step."""


def main() -> None:
    options = parse_options()
    with Progress("reading the tokenizer"):
        file = weights.read(weights.find_gguf())
        tokenizer = Tokenizer(file.metadata)
    with Progress("loading weights") as progress:
        model = weights.load(file, progress.show)
    prompt = tokenizer.chat(options.prompt)
    with Progress("compiling prefill and decode"):
        session = kernels.Session(model, ahead=options.tokens_per_launch, cores=options.threads)
    started = time.perf_counter()
    session.read(prompt[:-1])
    prefilled = time.perf_counter()
    steps = Steps(session, prompt[-1], options.max_tokens, tokenizer.end)
    for text in tokenizer.stream(steps):
        print(text, end="", flush=True)
    print()
    finished = time.perf_counter()
    if len(prompt) > 1:
        rate = (len(prompt) - 1) / (prefilled - started)
        print(f"prefill: {len(prompt) - 1} tokens, {rate:.1f} tokens/s", file=sys.stderr)
    rate = len(steps.logits) / (finished - prefilled)
    print(f"decode: {len(steps.logits)} steps, {rate:.1f} tokens/s", file=sys.stderr)
    if options.verify:
        verify(model, prompt, steps)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="SmolLM2-135M-Instruct as fused kernels")
    parser.add_argument("--prompt", default="What is the capital of France?")
    parser.add_argument("--max-tokens", type=int, default=64, help="stop after this many (default 64)")
    parser.add_argument("--verify", action="store_true", help="replay the answer in NumPy and compare")
    parser.add_argument("--tokens-per-launch", type=int, default=1, help="tokens of one launch (default 1)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    if options.max_tokens < 1:
        parser.error("--max-tokens must be at least 1")
    if not 1 <= options.tokens_per_launch <= 256:
        parser.error("--tokens-per-launch must be 1 to 256")
    return options


class Steps:
    """The greedy answer, token by token; remembers what every step was fed, chose and scored."""

    def __init__(self, session: kernels.Session, token: int, count: int, end: int) -> None:
        self._session, self._token, self._count, self._end = session, token, count, end
        self.fed: list[int] = []
        self.chosen: list[int] = []
        self.logits: list[weights.Array] = []

    def __iter__(self) -> Iterator[int]:
        token = self._token
        left = min(self._count, self._session.capacity - self._session.position)
        while left > 0 and token != self._end:
            answer = self._session.answer(token, left, self._end)
            left -= len(answer)
            self.logits += list(self._session.logits[: len(answer)].copy())
            for successor in answer:
                self.fed.append(token)
                self.chosen.append(successor)
                token = successor
                if token != self._end:
                    yield token


def verify(model: weights.Model, prompt: list[int], steps: Steps) -> None:
    """Teacher-forced: the reference reads what the kernel was fed; exits with 1 where they disagree."""
    sequence = prompt[:-1] + steps.fed
    expected = reference.logits(model, sequence, first=len(prompt) - 1)
    worst, flips = 0.0, 0
    for want, got, token in zip(expected, steps.logits, steps.chosen, strict=True):
        scale = float(np.abs(want).max())
        worst = max(worst, float(np.abs(want - got).max()) / scale)
        if token != int(want.argmax()):
            flips += 1
            second, first = np.sort(want)[-2:]
            if first - second >= TOLERANCE * scale:
                sys.exit(
                    f"verify: FAILED: chose {token}, the reference {int(want.argmax())} by a clear margin"
                )
    if worst > TOLERANCE:
        sys.exit(f"verify: FAILED: max|Δlogit| is {worst:.1e} of max|logit|, more than {TOLERANCE:.0e}")
    print(
        f"verify: {len(expected)} steps, max|Δlogit| {worst:.1e} of max|logit| (allowed {TOLERANCE:.0e}), "
        f"{flips} ties decided otherwise",
        file=sys.stderr,
    )


class Progress:
    """One line on stderr: what is being done, how far it is, and in the end how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Progress:
        self._started = time.perf_counter()
        print(f"{self._what} …", end="", file=sys.stderr, flush=True)
        return self

    def show(self, share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{self._what} … {share:4.0%}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        print(f"\r{self._what} … {time.perf_counter() - self._started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
