"""The laws that the judge knows, by the name that reports carry.

In:  – . Out: `LAWS`: how each is mended. `docs/ascend-sim.md` says what each one is.
Not here: who checks them (the headers).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LAWS: Mapping[str, str] = MappingProxyType(
    {
        "race": "order the two: an event between pipes, PipeBarrier in one pipe, a flag between cores",
        "poison": "write it first, or wait for who writes it",
        "stale": "DataCacheCleanAndInvalid before the read takes the old line away",
        "shared-line": "give each producer a line of 64 bytes of its own",
        "dirty-line": "DataCacheCleanAndInvalid after the write brings the line to memory",
        "deadlock": "look for the signal that is missing, or that comes after a wait for its answer",
        "no-progress": "look for the word's producer: it must write the word and clean the line",
        "event-id": "ids 6 and 7 are the framework's own",
        "event-set-twice": "wait for each SetFlag before the next one with the same id, or take another id",
        "event-unset": "put the SetFlag before, or take the WaitFlag away",
        "event-left": "wait for the event, or do not set it",
        "pipe": "AICs have S, M, MTE1, MTE2 and FIX; AIVs have S, V, MTE2 and MTE3",
        "flag-id": "use flags 0 to 10, or 15",
        "flag-mode": "0 is for all cores of a kind, 1 for the AIVs of a group, 2 for an AIC and its AIVs",
        "flag-overflow": "wait for the flag's reader before counting on",
        "flag-left": "drain the flag before the kernel ends: as many waits as sets",
        "init": "call InitSocState() first",
        "space": "keep what is computed on AIVs in UB, and what is computed on AICs in L1, L0A, L0B and L0C",
        "alignment": "plan addresses in multiples of 32 bytes in UB and L1, 512 in L0A and L0B, 64 in L0C",
        "range": "make the tensor longer, or the instruction shorter",
        "capacity": "use smaller tiles",
        "bounds": "compare the offset and the extent with the argument's shape",
        "operand": "keep to what the instruction can do",
        "groups": "launch fewer groups",
    }
)
