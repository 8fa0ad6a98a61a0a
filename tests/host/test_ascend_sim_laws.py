"""One planted violation per law of the hardware, each found with its own message."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mpmd.errors import Diagnostic
from mpmd.runtime.ascend_sim import LAWS, Findings, Simulated, compile_text, violation

SEEDS = range(4)


@dataclass(frozen=True, slots=True)
class Case:
    """`code` on `core` breaks `law`; `message` is the first report's, or `mirrored`.

    The code is line 7 of user.py, and line 8, which then is where it goes wrong.
    """

    law: str
    name: str
    core: str
    code: str
    message: str
    groups: int = 1
    mirrored: str = ""


AIV0, AIVS, AIC0 = "AIV0", "AIVs", "AIC0"
ON = {
    AIV0: "ASCEND_IS_AIV && GetBlockIdx() == 0",
    AIVS: "ASCEND_IS_AIV",
    AIC0: "ASCEND_IS_AIC",
    "": "true",
}
"""Which cores run a case's code."""

MEET = "CrossCoreSetFlag<1, PIPE_S>(1); CrossCoreWaitFlag(1);"
CLEAN = "DataCacheCleanAndInvalid<int32_t, CacheLine::SINGLE_CACHE_LINE, DcciDst::CACHELINE_OUT>(words);"
FIRST = "if (GetBlockIdx() == 0)"
SECOND = "if (GetBlockIdx() == 1)"

CASES = (
    Case(
        "race", "dependent vector instructions without a barrier", AIV0,
        "Duplicate(a, 1.0f, 64); Adds(b, a, 1.0f, 64);",
        "Adds of AIV0.V reads AIV0.UB at byte 0, which Duplicate of AIV0.V writes at user.py:7; "
        "nothing orders them",
    ),
    Case(
        "race", "two copies to one place", AIV0,
        "DataCopy(a, x, 64);\nDataCopy(a, x, 32);",
        "DataCopy of AIV0.MTE2 writes AIV0.UB at byte 0, which DataCopy of AIV0.MTE2 writes at user.py:7; "
        "nothing orders them",
    ),
    Case(
        "race", "two cores store to one place", AIVS,
        f"Duplicate(a, 1.0f, 64); PipeBarrier<PIPE_ALL>(); {FIRST} DataCopy(y, a, 64); {MEET} "
        f"{SECOND} DataCopy(y, a, 64);",
        "DataCopy of AIV1.MTE3 writes 'y' at byte 0, which DataCopy of AIV0.MTE3 writes at user.py:7; "
        "nothing orders them",
        mirrored="DataCopy of AIV0.MTE3 writes 'y' at byte 0, which DataCopy of AIV1.MTE3 writes at "
        "user.py:7; nothing orders them",
    ),
    Case(
        "race", "a vector instruction on what the scalar unit has just written", AIV0,
        "for (int i = 0; i < 64; ++i) a.SetValue(i, 1.0f);\nAdds(b, a, 1.0f, 64);",
        "Adds of AIV0.V reads AIV0.UB at byte 0, which SetValue of AIV0.S writes at user.py:7; "
        "nothing orders them",
    ),
    Case(
        "poison", "an operand that nobody has written", AIV0,
        "Adds(b, a, 1.0f, 64);",
        "Adds uses AIV0.UB at byte 0, which nobody has written",
    ),
    Case(
        "poison", "the end of a block that a copy brings", AIV0,
        "DataCopyPad(a, x, DataCopyExtParams(1, 12, 0, 0, 0), DataCopyPadExtParams<float>(false, 0, 0, 0)); "
        "PipeBarrier<PIPE_ALL>(); Adds(b, a, 1.0f, 4);",
        "Adds uses AIV0.UB at byte 12, which nobody has written",
    ),
    Case(
        "stale", "a line from before another core's write", AIVS,
        f"{FIRST} words.GetValue(0); {MEET} {SECOND} {{ words.SetValue(0, 1); {CLEAN} }} {MEET}\n"
        f"{FIRST} words.GetValue(0);",
        "GetValue of AIV0 reads 'words' at byte 0 from a cache line older than the last write",
    ),
    Case(
        "shared-line", "two producers in one line", AIVS,
        f"words.SetValue(GetBlockIdx(), 1); {MEET} {CLEAN}",
        "DataCacheCleanAndInvalid writes back a line of 'words' at byte 0 with what others have changed "
        "since",
    ),
    Case(
        "dirty-line", "a word that never leaves the cache", AIV0,
        "words.SetValue(0, 1);",
        "what AIV0 has written to 'words' at byte 0 is still in its cache at the end",
    ),
    Case(
        "deadlock", "a flag that nobody sets", AIV0,
        "CrossCoreWaitFlag(2);",
        "no runnable core; AIV0 waits flag 2 at user.py:7",
    ),
    Case(
        "deadlock", "two pipes that wait for each other", AIV0,
        "WaitFlag<HardEvent::MTE2_V>(0); SetFlag<HardEvent::V_MTE3>(0); WaitFlag<HardEvent::V_MTE3>(0); "
        "SetFlag<HardEvent::MTE3_MTE2>(0); WaitFlag<HardEvent::MTE3_MTE2>(0); SetFlag<HardEvent::MTE2_V>(0);",
        "no runnable core; AIV0.V waits event MTE2_V 0 at user.py:7, "
        "AIV0.MTE2 waits event MTE3_MTE2 0 at user.py:7, AIV0.MTE3 waits event V_MTE3 0 at user.py:7",
    ),
    Case(
        "no-progress", "polling for what nobody writes", AIV0,
        f"do {{ {CLEAN} }} while (words.GetValue(0) == 0);",
        "nothing has happened any more; AIV0 polls 'words' at byte 0 at user.py:7",
    ),
    Case(
        "event-id", "an id of the framework's", AIV0,
        "SetFlag<HardEvent::V_MTE3>(6);",
        "SetFlag V_MTE3 6: event ids are 0 to 5",
    ),
    Case(
        "event-set-twice", "no wait between", AIV0,
        "SetFlag<HardEvent::V_MTE3>(0); SetFlag<HardEvent::V_MTE3>(0); WaitFlag<HardEvent::V_MTE3>(0);",
        "event V_MTE3 0 of AIV0 is set again, and no wait since user.py:7 is certain to be over",
    ),
    Case(
        "event-set-twice", "a wait that may come late", AIV0,
        "SetFlag<HardEvent::V_MTE3>(0); WaitFlag<HardEvent::V_MTE3>(0); SetFlag<HardEvent::MTE3_S>(0); "
        "WaitFlag<HardEvent::MTE3_S>(0); SetFlag<HardEvent::V_MTE3>(0); WaitFlag<HardEvent::V_MTE3>(0);\n"
        "SetFlag<HardEvent::V_MTE3>(0); WaitFlag<HardEvent::V_MTE3>(0);",
        "event V_MTE3 0 of AIV0 is set again, and no wait since user.py:7 is certain to be over",
    ),
    Case(
        "event-unset", "a wait without a set", AIV0,
        "WaitFlag<HardEvent::MTE2_V>(0);",
        "AIV0.V waits event MTE2_V 0, which nobody sets",
    ),
    Case(
        "event-left", "a set without a wait", AIV0,
        "SetFlag<HardEvent::V_MTE3>(3);",
        "event V_MTE3 3 of AIV0 is set at the end, and nobody waits for it",
    ),
    Case(
        "pipe", "a vector instruction on a cube core", AIC0,
        "Duplicate(a, 1.0f, 64);",
        "Duplicate needs pipe V, which AIC0 has not",
    ),
    Case(
        "pipe", "an event of the other kind of core", AIV0,
        "SetFlag<HardEvent::M_FIX>(0);",
        "SetFlag M_FIX 0 needs pipe M, which AIV0 has not",
    ),
    Case(
        "flag-id", "beyond the last", AIV0,
        "CrossCoreSetFlag<2, PIPE_MTE3>(16);",
        "CrossCoreSetFlag of flag 16: flag ids are 0 to 15",
    ),
    Case(
        "flag-id", "of SyncAll", AIV0,
        "CrossCoreWaitFlag(12);",
        "CrossCoreWaitFlag of flag 12: flags 11 to 14 belong to SyncAll",
    ),
    Case(
        "flag-mode", "that 2201 has not", AIV0,
        "CrossCoreSetFlag<4, PIPE_MTE3>(1);",
        "CrossCoreSetFlag of flag 1: modes are 0, 1 and 2",
    ),
    Case(
        "flag-mode", "of AIVs on an AIC", AIC0,
        "CrossCoreSetFlag<1, PIPE_FIX>(1);",
        "CrossCoreSetFlag of flag 1: mode 1 is between the AIVs of a group, and this is AIC0",
    ),
    Case(
        "flag-overflow", "of who waits", AIC0,
        "for (int i = 0; i < 16; ++i) CrossCoreSetFlag<2, PIPE_FIX>(1);",
        "flag 1 of AIV0 counts beyond 15",
    ),
    Case(
        "flag-overflow", "of one setter of two", AIV0,
        "for (int i = 0; i < 16; ++i) CrossCoreSetFlag<2, PIPE_MTE3>(1);",
        "flag 1 of AIV0 alone counts beyond 15",
    ),
    Case(
        "flag-left", "credits that nobody takes", AIC0,
        "CrossCoreSetFlag<2, PIPE_FIX>(1);",
        "flag 1 of AIV0 is left at 1",
    ),
    Case(
        "flag-left", "one AIV of two", AIV0,
        "CrossCoreSetFlag<2, PIPE_MTE3>(1);",
        "flag 1 was set 1 times more by AIV0 than by who sets it with it",
    ),
    Case(
        "init", "before the pipes are set up", AIV0,
        "Duplicate(a, 1.0f, 64);",
        "Duplicate comes before InitSocState",
    ),
    Case(
        "space", "the cube's memory on a vector core", AIV0,
        "DataCopy(l1, x, 64);",
        "DataCopy: AIV0 has no L1",
    ),
    Case(
        "space", "a factor in the wrong memory", AIC0,
        "Mmad(l0c, l0b, l0b, MmadParams(16, 16, 16, 0, false, true));",
        "Mmad: the left factor is in L0B",
    ),
    Case(
        "alignment", "of an address in UB", AIV0,
        "Duplicate(LocalTensor<float>(TPosition::VECCALC, 16, 64), 1.0f, 64);",
        "Duplicate: address 16 of UB is no multiple of 32",
    ),
    Case(
        "alignment", "of a fractal", AIC0,
        "LoadData(LocalTensor<half>(TPosition::A2, 256, 512), h1, LoadData2DParams(0, 1, 1, 0, 0, 0, 0));",
        "LoadData: address 256 of L0A is no multiple of 512",
    ),
    Case(
        "alignment", "of a sum", AIC0,
        "Mmad(LocalTensor<float>(TPosition::CO1, 32, 256), l0a, l0b, MmadParams(16, 16, 16, 0, 0, true));",
        "Mmad: address 32 of L0C is no multiple of 64",
    ),
    Case(
        "alignment", "of a copy's length", AIV0,
        "DataCopy(a, x, 3);",
        "DataCopy: moves blocks of 32 bytes, and 12 are asked for",
    ),
    Case(
        "range", "an instruction longer than its tensor", AIV0,
        "Duplicate(a, 1.0f, 65);",
        "Duplicate: goes to element 65 of a tensor of 64",
    ),
    Case(
        "range", "an element that is picked beyond its tensor", AIV0,
        "Duplicate(a, 1.0f, 64); Duplicate(i, 252, 64); PipeBarrier<PIPE_V>();\n"
        "Gather(b, a, i.ReinterpretCast<uint32_t>(), 8, 8);",
        "Gather: offset 260 of a tensor of 256 bytes",
    ),
    Case(
        "alignment", "an element that is picked within one", AIV0,
        "Duplicate(a, 1.0f, 64); Duplicate(i, 2, 64); PipeBarrier<PIPE_V>();\n"
        "Gather(b, a, i.ReinterpretCast<uint32_t>(), 0, 8);",
        "Gather: offset 2 is within an element",
    ),
    Case(
        "capacity", "of UB", AIV0,
        "Duplicate(LocalTensor<float>(TPosition::VECCALC, 188128, 16), 1.0f, 8);",
        "Duplicate: a tensor ends at byte 188192 of UB, which has 188160",
    ),
    Case(
        "capacity", "of L1", AIC0,
        "DataCopy(LocalTensor<float>(TPosition::A1, 524032, 16), x, 8);",
        "DataCopy: a tensor ends at byte 524096 of L1, which has 524032",
    ),
    Case(
        "bounds", "a copy beyond its argument", AIV0,
        "DataCopy(a, x[250], 64);",
        "DataCopy: 256 bytes from byte 1000 of 'x', which has 1024",
    ),
    Case(
        "bounds", "a word beyond its argument", AIV0,
        "words.GetValue(32);",
        "GetValue: 4 bytes from byte 128 of 'words', which has 128",
    ),
    Case(
        "operand", "a mask that is too long", AIV0,
        "Add(a, a, a, (uint64_t)65, (uint8_t)1, BinaryRepeatParams(1, 1, 1, 8, 8, 8));",
        "Add: a mask of 65; it can be 1 to 64",
    ),
    Case(
        "operand", "a shift that is too long", AIV0,
        "ShiftRight(i, i, 33, 8);",
        "ShiftRight: a shift by 33; it can be 0 to 32",
    ),
    Case(
        "operand", "fractals of floats turned over", AIC0,
        "LoadData(LocalTensor<float>(TPosition::A2, 0, 128), l1, LoadData2DParams(0, 1, 0, 0, 0, true, 0));",
        "LoadData: only fractals of 16-bit elements are turned over",
    ),
    Case(
        "operand", "one row on the cube", AIC0,
        "Mmad(l0c, l0a, l0b, MmadParams(1, 16, 16, 0, false, true));",
        "Mmad: m = 1 is the cube's vector form, with another layout of the left factor",
    ),
    Case("groups", "more than there are", "", "", "25 groups of cores, and there are 24", groups=25),
)  # fmt: skip

PREAMBLE = """
using namespace AscendC;
struct Args { __gm__ float *x, *y; __gm__ int32_t* words; int32_t which; };
__schedmode__(1) __global__ __mix__(1, 2) void planted(Args args) {
    LocalTensor<float> a(TPosition::VECCALC, 0, 64), b(TPosition::VECCALC, 256, 64), l1(TPosition::A1, 0, 64);
    LocalTensor<half> h1(TPosition::A1, 0, 512), l0a(TPosition::A2, 0, 256), l0b(TPosition::B2, 0, 256);
    LocalTensor<float> l0c(TPosition::CO1, 0, 256);
    LocalTensor<int32_t> i(TPosition::VECCALC, 512, 64);
    GlobalTensor<float> x, y;
    GlobalTensor<int32_t> words;
    x.SetGlobalBuffer(args.x);
    y.SetGlobalBuffer(args.y);
    words.SetGlobalBuffer(args.words);
"""


def text() -> str:
    """All cases in one kernel, each with lines of its own in a file of the user's."""
    parts = [PREAMBLE]
    for number, case in enumerate(CASES):
        start = "" if case.law == "init" else "InitSocState(); "
        parts.append(f'#line 6 "user.py"\nif (args.which == {number}) {{ {start} if ({ON[case.core]}) {{\n')
        parts.append(f"{case.code}\n}} }}\n")
    return "".join((*parts, "}\n"))


@pytest.fixture(scope="module")
def kernel() -> Simulated:
    return compile_text((("planted.h", text()),), main="planted.h", strict=True)


def run(kernel: Simulated, case: Case, seed: int = 0) -> Findings:
    x, y, words = np.ones(256, np.float32), np.zeros(256, np.float32), np.zeros(32, np.int32)
    arguments = {"x": x, "y": y, "words": words, "which": np.int32(CASES.index(case))}
    return kernel.run(arguments, groups=case.groups, seed=seed)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.law}: {case.name}")
def test_a_planted_violation_is_found_with_its_own_message(kernel: Simulated, case: Case) -> None:
    for seed in SEEDS:
        report = run(kernel, case, seed).reports[0]
        assert report.kind == case.law
        assert report.message in (case.message, case.mirrored or case.message)
        if case.law != "groups":
            assert (report.file, report.line) == ("user.py", 7 + case.code.count("\n"))


def test_every_law_has_a_violation() -> None:
    assert {case.law for case in CASES} == set(LAWS)


def test_the_same_seed_gives_the_same_report(kernel: Simulated) -> None:
    for case in CASES:
        assert run(kernel, case, 3) == run(kernel, case, 3)


def test_a_report_is_an_error_with_the_users_line_and_the_seed(kernel: Simulated) -> None:
    found = run(kernel, CASES[0], 2)
    error = violation(found.reports[0], found.seed)
    assert isinstance(error, Diagnostic)
    assert str(error) == (
        "error[race]: Adds of AIV0.V reads AIV0.UB at byte 0, which Duplicate of AIV0.V writes at user.py:7; "
        "nothing orders them\n"
        "  --> user.py:7:1\n"
        "  hint: order the two: an event between pipes, PipeBarrier in one pipe, a flag between cores\n"
        "  hint: seed 2 shows it again"
    )
    with pytest.raises(Diagnostic, match="nothing orders them"):
        found.check()
