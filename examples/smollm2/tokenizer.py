"""The tokenizer of SmolLM2, rebuilt from the GGUF's metadata, and its chat format.

In:  the GGUF's metadata. Out: a `Tokenizer` that turns a prompt into ids and ids into text.
Not here: sampling, weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Bpe

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
CONTROL = 3
"""The token type by which a GGUF marks control tokens such as <|im_end|>."""


class Tokenizer:
    """Byte-level BPE whose digits are tokens of their own (pre-tokenizer "smollm")."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
        merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
        self._bpe = Bpe(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
        self._bpe.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        self._bpe.decoder = decoders.ByteLevel()
        special = [t for t, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
        self._bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        self.end = int(metadata["tokenizer.ggml.eos_token_id"])

    def chat(self, prompt: str) -> list[int]:
        """The ids of a conversation that asks `prompt` and waits for the assistant's answer."""
        turns = [("system", SYSTEM), ("user", prompt)]
        text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
        return self._bpe.encode(text + "<|im_start|>assistant\n").ids

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """The text that each id adds; a character that is still incomplete is held back."""
        seen: list[int] = []
        shown = 0
        for token in ids:
            seen.append(token)
            text = self._bpe.decode(seen)
            if not text.endswith("\ufffd"):
                yield text[shown:]
                shown = len(text)
