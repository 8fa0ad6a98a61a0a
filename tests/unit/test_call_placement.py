"""`on=`, `core=` and `near=` at the call of a task: what is recorded, and what is refused."""

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.errors import LanguageError, TypeMismatch
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Placement, calls
from tests.unit.traced_tasks import copy, update
from tests.unit.tracing import declared, refusal, traced

(N,) = mpmd.dims("N")


@declared
def tagged(core: i32, y: InOut[f32, N]): ...


def placements(function, *shapes) -> list[Placement | None]:
    return [call.placement for call in calls(traced(function, *shapes).body)]


def test_calls_say_where_they_run() -> None:
    def kernel(x: In[f32, N], y: Out[f32, N]):
        h = mpmd.empty((N,), f32)
        copy(x, h, on="vector")
        for t in mpmd.tiles(N, 16):
            copy(h[t], y[t], core=t.index % 4, near=h)
        update(y)

    assert placements(kernel, (64,), (64,)) == [
        Placement(on="vector"),
        Placement(core=symbol("t.index") % 4, near=2),
        None,
    ]


def test_a_parameter_of_the_task_keeps_its_name() -> None:
    def kernel(y: InOut[f32, N]):
        tagged(core=3, y=y)
        tagged(3, y, near=y)

    assert placements(kernel, (64,)) == [None, Placement(near=0)]
    assert [call.args[0].value for call in calls(traced(kernel, (64,)).body)] == [Index(3)] * 2


def test_a_placement_of_another_kind_is_refused() -> None:
    def numbered(y: InOut[f32, N]):
        update(y, on=3)

    def negative(y: InOut[f32, N]):
        update(y, core=-1)

    def far(y: InOut[f32, N]):
        update(y, near="y")

    def misspelt(y: InOut[f32, N]):
        update(y, cores=1)

    assert refusal(LanguageError, lambda: traced(numbered, (64,))) == [
        "'on' is 3, which is not a kind of core",
        "update(y, on=3): ",
        'name the kind of core, as the machine does: on="vector"',
    ]
    assert refusal(LanguageError, lambda: traced(negative, (64,))) == [
        "'core' is -1, which is not the number of a core",
        "update(y, core=-1): ",
        "cores are counted from 0: core=3, or core=t.index % 4 in a loop over pieces",
    ]
    assert refusal(LanguageError, lambda: traced(far, (64,))) == [
        "'near' is 'y', which is not a tensor of the kernel",
        'update(y, near="y"): ',
        "give the tensor whose part this call uses: near=h",
    ]
    assert refusal(TypeMismatch, lambda: traced(misspelt, (64,)))[0] == "'update' has no parameter 'cores'"


def test_cores_are_known_when_the_kernel_is_compiled() -> None:
    def late(y: InOut[f32, N], n: i32):
        update(y, core=n)

    def ended(y: InOut[f32, N], n: i32):
        for t in mpmd.tiles(N, 16):
            last = t.index
            update(y[t])
        update(y, core=last)

    assert refusal(LanguageError, lambda: traced(late, (64,), None)) == [
        "'core' depends on 'n', which is known only at launch",
        "update(y, core=n): core=n",
        "cores are assigned when the kernel is compiled: use constants, or t.index",
    ]
    assert refusal(LanguageError, lambda: traced(ended, (64,), None)) == [
        "'core' depends on 't.index', whose loop has ended",
        "update(y, core=last): 't' has no value here",
        "use the value inside of the loop; a symbolic loop has no last iteration",
    ]
