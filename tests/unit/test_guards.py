"""What the guards of a kernel see change besides plain globals: defaults, nested contents, attributes."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from mpmd.lang.kernel.guards import Guards, guard_values


@dataclass
class Inner:
    width: int = 3


@dataclass
class Config:
    layers: int = 2
    inner: Inner | None = None
    unread: int = 0

    @property
    def doubled(self) -> int:
        return self.layers * 2

    def heads(self) -> int:
        return self.layers // 2


@dataclass(slots=True)
class Slotted:
    layers: int = 2


class Plain:
    layers = 2


CONFIG = Config(inner=Inner())
SLOTTED = Slotted()
PLAIN = Plain()
MODULE = types.ModuleType("settings")
NESTED = ([1, 2], 3)
NAMES = {"a"}
SIZES = np.array([1, 2])
CONFIGS = [Config(), Config()]
ZERO = 0.0


def default(width: int = 2, *, depth: int = 3) -> int:
    return width * depth


def reads_layers() -> int:
    return CONFIG.layers


def reads_inner() -> object:
    return CONFIG.inner.width if CONFIG.inner else None


def reads_property() -> int:
    return CONFIG.doubled


def reads_method() -> int:
    return CONFIG.heads()


def reads_slot() -> int:
    return SLOTTED.layers


def reads_class() -> int:
    return Plain.layers


def reads_object_of_class() -> int:
    return PLAIN.layers


def reads_module() -> object:
    return MODULE.width


def reads_nested() -> object:
    return NESTED[0][0]


def reads_set() -> object:
    return sorted(NAMES)


def reads_array() -> int:
    return int(SIZES[0])


def reads_items() -> int:
    return sum(config.layers for config in CONFIGS)


def reads_default() -> int:
    return default()


def reads_zero() -> float:
    return ZERO


@pytest.fixture(autouse=True)
def _fresh():
    module = globals()
    before = {
        name: module[name] for name in ("CONFIG", "SLOTTED", "PLAIN", "NAMES", "SIZES", "CONFIGS", "ZERO")
    }
    module |= {
        "CONFIG": Config(inner=Inner()),
        "SLOTTED": Slotted(),
        "PLAIN": Plain(),
        "NAMES": {"a"},
        "SIZES": np.array([1, 2]),
        "CONFIGS": [Config(), Config()],
    }
    MODULE.__dict__["width"] = 2
    yield
    module |= before
    default.__defaults__, default.__kwdefaults__ = (2,), {"depth": 3}
    Plain.layers = 2
    NESTED[0][:] = [1, 2]


def _set_inner_width() -> None:
    assert CONFIG.inner is not None
    CONFIG.inner.width = 4


CHANGES: list[tuple[Callable[[], object], Callable[[], object]]] = [
    (reads_layers, lambda: setattr(CONFIG, "layers", 3)),
    (reads_inner, _set_inner_width),
    (reads_inner, lambda: setattr(CONFIG, "inner", Inner(9))),
    (reads_property, lambda: setattr(CONFIG, "layers", 3)),
    (reads_method, lambda: setattr(CONFIG, "layers", 3)),
    (reads_slot, lambda: setattr(SLOTTED, "layers", 3)),
    (reads_class, lambda: setattr(Plain, "layers", 3)),
    (reads_object_of_class, lambda: setattr(Plain, "layers", 3)),
    (reads_object_of_class, lambda: setattr(PLAIN, "layers", 3)),
    (reads_module, lambda: setattr(MODULE, "width", 3)),
    (reads_nested, lambda: NESTED[0].append(3)),
    (reads_set, lambda: NAMES.add("b")),
    (reads_array, lambda: SIZES.__setitem__(0, 7)),
    (reads_items, lambda: setattr(CONFIGS[1], "layers", 3)),
    (reads_default, lambda: setattr(default, "__defaults__", (5,))),
    (reads_default, lambda: setattr(default, "__kwdefaults__", {"depth": 5})),
    (reads_zero, lambda: globals().update(ZERO=-0.0)),
]


@pytest.mark.parametrize(("reads", "change"), CHANGES)
def test_what_the_code_reads_cannot_change_unseen(reads, change):
    guards = Guards(reads)
    assert guards.hold() and guard_values(reads) == guards.key
    change()
    assert not guards.hold()
    assert guard_values(reads) != guards.key


def test_what_the_code_does_not_read_may_change():
    guards = Guards(reads_layers)
    CONFIG.unread = 5
    MODULE.__dict__["width"] = 9
    assert guards.hold() and guard_values(reads_layers) == guards.key


def test_large_arrays_are_watched_by_identity():
    globals()["SIZES"] = np.zeros(1 << 17, np.uint8)
    guards = Guards(reads_array)
    SIZES[0] = 1
    assert guards.hold()
    globals()["SIZES"] = SIZES.copy()
    assert not guards.hold() and guard_values(reads_array) != guards.key
