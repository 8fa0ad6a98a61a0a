"""The names that users import: dims, annotations, decorators, and what they refuse outside of their place."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mpmd
from mpmd import Accum, In, Out, Recv, Send, f32, i32
from mpmd.errors import LanguageError
from mpmd.lang.index import symbol
from mpmd.lang.types import Direction, TensorAnnotation
from mpmd.package import ALSO_MODULES
from tests.unit.tracing import declared, refusal

T, H = mpmd.dims("T H")


def test_dims_are_symbols():
    assert (T.name, str(T), repr(T)) == ("T", "T", "T")
    assert symbol("T") == T and hash(T) == hash(symbol("T")) and T != H
    assert symbol("T") // 2 + symbol("H") == T // 2 + H
    assert pickle.loads(pickle.dumps(T)) == T and isinstance(pickle.loads(pickle.dumps(T)), mpmd.Dim)
    assert [d.name for d in mpmd.dims("A, B C")] == ["A", "B", "C"]


def test_a_dim_has_no_value_outside_of_a_trace():
    assert refusal(LanguageError, lambda: range(T)) == [
        "dim 'T' has no value here",
        "range(T): used as an integer",
        "a dim is bound while a kernel is traced; use it inside of a task or a kernel",
    ]


def test_a_dim_is_named_like_a_variable():
    assert refusal(LanguageError, lambda: mpmd.dims("T 2H"))[0] == "'2H' cannot name a dim"


def test_annotations_are_values():
    assert In[f32, T, 3] == TensorAnnotation(Direction.IN, f32, (symbol("T"), symbol("T") * 0 + 3))
    assert Out[f32, T // 2].shape == (symbol("T") // 2,)
    assert In[i32, ()].shape == ()
    assert Send[f32, T] == TensorAnnotation(Direction.SEND, f32, (symbol("T"),))
    assert Recv[i32, ()].direction.is_channel and not Accum[f32, T].direction.is_channel


def test_the_order_of_additions_may_be_left_open():
    assert Accum(order="any")[f32, T].unordered and repr(Accum(order="any")) == 'Accum(order="any")'
    assert not Accum[f32, T].unordered and not Accum(order="program")[f32, T].unordered

    @mpmd.task
    def total(x: In[f32, T], y: Accum(order="any")[f32, T]):  # type: ignore[valid-type]
        y[:] += x[:]

    assert [p.unordered for p in total.definition.params] == [False, True]


def test_only_accum_has_an_order_and_it_is_one_that_there_is():
    assert refusal(LanguageError, lambda: Accum(order="random")) == [
        "'random' is no order of additions",
        'Accum(order="random"): ',
        'order="any" leaves it open; without it, additions are combined in program order',
    ]
    assert refusal(LanguageError, lambda: In(order="any")) == [
        "In takes no order",
        'In(order="any"): ',
        'only Accum has one: Accum(order="any")[f32, N]',
    ]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: In[float, T],
            [
                "'float' is not an element type",
                "the element types are f64, f32, f16, bf16, i64, i32, i8, u8, bool",
            ],
        ),
        (lambda: In["float32", T], ["did you mean 'f32'? the element types are"]),
        (
            lambda: In[f32],
            ["'In[f32]' has no shape", "a 0-d tensor is In[f32, ()], a scalar is just f32"],
        ),
        (lambda: In[f32, T, "H"], ["''H'' is not an extent"]),
        (lambda: In[f32, -1], ["'-1' is not an extent"]),
    ],
)
def test_annotations_that_are_refused(make, expected):
    refused = refusal(LanguageError, make)
    assert all(any(text in line for line in refused) for text in expected), refused


def test_operations_tasks_and_loops_have_their_place():
    @declared
    def task(x: In[f32, T]): ...

    assert refusal(LanguageError, lambda: mpmd.exp(1.0)) == [
        "mpmd.exp works on tiles, inside of a task",
        "mpmd.exp(1.0): called outside of a task",
        "move the call into a function under @mpmd.task",
    ]
    assert refusal(LanguageError, lambda: task(1)) == [
        "task 'task' is called outside of a kernel",
        "task(1): ",
        "tasks are called by a function under @mpmd.kernel",
    ]
    assert refusal(LanguageError, lambda: mpmd.tiles(4)) == [
        "mpmd.tiles is called outside of a kernel",
        "mpmd.tiles(4): ",
        "kernels are functions under @mpmd.kernel",
    ]


def test_an_argument_may_give_operations_their_meaning():
    class Number:
        def __mpmd_apply__(self, name, args, kwargs):
            return name, len(args), kwargs

    assert mpmd.softmax(Number(), axis=1) == ("softmax", 1, {"axis": 1})


def test_decorators_are_for_functions():
    assert refusal(LanguageError, lambda: mpmd.task(3))[0] == (
        "@mpmd.task is for functions made with 'def', not for 3"
    )
    assert refusal(LanguageError, lambda: mpmd.kernel(lambda x: None))[0] == (
        "@mpmd.kernel is for functions made with 'def', not for <lambda>"
    )


def test_annotations_as_text_are_evaluated_where_the_function_is_defined():
    inner = mpmd.dims("Inner")[0]

    def kernel(x: "In[f32, inner]"): ...

    (param,) = mpmd.kernel(kernel).params
    assert param.annotation == In[f32, inner]

    def unknown(x: "In[f32, missing]"): ...  # noqa: F821

    assert refusal(LanguageError, lambda: mpmd.kernel(unknown)) == [
        "the annotation of 'x' uses 'missing', which is not defined here",
        "unknown: 'missing' is unknown",
        "define dims and dtypes before the function that is annotated with them",
    ]


def test_type_checkers_see_the_names_that_exist():
    """Every public name of the package has a type, and every typed one exists or is a type's name."""
    stub = Path(mpmd.__file__).with_suffix(".pyi")
    typed = set()
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            typed.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            typed.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            typed |= {a.asname for a in node.names if a.asname}
    public = {n for n, v in vars(mpmd).items() if not n.startswith("_") and not isinstance(v, ModuleType)}
    for_checkers_alone = {
        "AnyTile",
        "Key",
        "Number",
        "Operand",
        "ScalarSpec",
        "TensorSpec",
        "Tile",
        "TileSpan",
    }
    assert public == {n for n in typed if not n.startswith("_")} - for_checkers_alone


def test_names_are_loaded_when_the_first_is_asked_for():
    program = (
        "import sys, mpmd.doctor, mpmd.cli\n"
        "assert 'mpmd.names' not in sys.modules\n"
        "import mpmd\n"
        "assert callable(mpmd.doctor) and callable(mpmd.explain) and 'tiles' in dir(mpmd)\n"
        "try:\n    mpmd.tile\nexcept AttributeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "module 'mpmd' has no attribute 'tile'\n"


def test_functions_that_share_a_name_with_a_module():
    modules = {path.stem for path in Path(mpmd.__file__).parent.glob("*.py")}
    assert {name for name in vars(mpmd) if callable(getattr(mpmd, name)) and name in modules} == ALSO_MODULES
