"""Rows that do what they say are accepted, all shipped ones too; of others a line says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lion_search.dsl import functions
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.function import CommonFactor, Function, Parity, Properties, Type, ZeroIf
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, add_function
from lion_search.dsl.imports import UserCodeError
from lion_search.dsl.trials import FunctionFaultError, jax_fault, load_tried, numpy_fault, sample, try_in_jax

T, P, S = Type.TREE, Type.PER_ARRAY, Type.SCALAR


@pytest.fixture(autouse=True)
def own_rows() -> Iterator[None]:
    """Whatever is added to the table is gone after the test."""
    table = dict(functions._TABLE)
    yield
    functions._TABLE.clear()
    functions._TABLE.update(table)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_shipped_row_does_what_it_says(name: str):
    assert numpy_fault(FUNCTIONS[name]) is None
    assert jax_fault(FUNCTIONS[name]) is None


def _softsign(xp: Any, x: Any) -> Any:
    return x / (1 + xp.abs(x))


def _row(meaning: Callable[..., Any] = _softsign, result: Type | None = None, *parameters: Type, **more: Any):
    return Function("mine", parameters or (T,), result, meaning, **more)


SOUND = {
    "two trees and a weight": _row(
        lambda xp, x, y, a: (1 - a) * x + a * y, None, T, T, S, code="{0} - {2} * {0} + {2} * {1}"
    ),
    "the scalar first": _row(lambda xp, a, x: a * x, None, S, T, code="{0} * {1}"),
    "one number per array": _row(lambda xp, x: tuple(xp.max(a) for a in x), P, code="{xp}.max({0})"),
    "a norm of columns": _row(
        lambda xp, x: tuple(a - xp.mean(a, axis=0) for a in x), T, jax_code="{0} - {0}.mean(0)"
    ),
    "not a number somewhere": _row(lambda xp, x: xp.log(x), code="{xp}.log({0})"),
    "no code": _row(),
    "steps": _row(lambda xp, x: xp.floor(10 * x) / 10, code="{xp}.floor(10 * {0}) / 10"),
}


@pytest.mark.parametrize("row", SOUND.values(), ids=SOUND)
def test_a_row_of_the_users_that_does_what_it_says_is_accepted(row: Function):
    add_function(row)
    assert numpy_fault(row) is None
    assert jax_fault(row) is None


_COUNT = iter(range(10**6))


def _in_place(xp: Any, x: Any) -> Any:
    if xp is np and x.ndim:
        x += 1
    return 1 * x


def _states(**known: Any) -> Function:
    return _row(properties=Properties(**known))


def _pair_states(meaning: Callable[..., Any], **known: Any) -> Function:
    return _row(meaning, None, T, T, properties=Properties(**known))


FAULTY = {
    "a cost that is not finite": (_row(cost=float("nan")), "cost is nan, expected a finite number from 0"),
    "a cost below 0": (_row(cost=-1.0), "cost is -1.0"),
    "it raises": (_row(lambda xp, x: xp.softsign(x)), "raises AttributeError .*no attribute 'softsign'"),
    "it branches": (_row(lambda xp, x: x if x > 0 else -x), "raises ValueError .*truth value of an array"),
    "another shape": (_row(lambda xp, x: xp.sum(x)), r"gives shapes .*, expected \(\(3, 4\), \(7,\)\)"),
    "a list for a tuple": (_row(lambda xp, x: [2 * a for a in x], T), "raises ValueError|gives shapes"),
    "a tree for a scalar": (_row(lambda xp, x: x, S), r"gives shapes .*, expected \(\)"),
    "truth values": (_row(lambda xp, x: x > 0), "numbers of type bool, expected floating-point"),
    "whole numbers": (_row(lambda xp, x: xp.asarray(x > 0, int)), "numbers of type int64"),
    "another value each time": (_row(lambda xp, x: x + next(_COUNT)), "for the same arguments"),
    "arguments changed": (_row(_in_place), "arguments"),
    "no function of each number": (_row(lambda xp, x: x - xp.mean(x)), "elementwise by its row .*alone and"),
    "across arrays": (
        _row(lambda xp, x: tuple(a - xp.max(x[0]) for a in x), T),
        "looks across arrays: say so with mixes_arrays",
    ),
    "not odd": (
        _states(parity=Parity.EVEN),
        r"Parity.EVEN does not hold at mine\(-40\): found 0.97\d*, expected -0.97",
    ),
    "not even": (
        _row(lambda xp, x: x * x, properties=Properties(parity=Parity.ODD)),
        "Parity.ODD does not hold",
    ),
    "above": (_states(high=0.5), r"high=0.5 does not hold at mine\(3\)"),
    "below": (_states(low=0.0), "low=0 does not hold"),
    "not positive": (_states(is_positive=True), "is_positive does not hold"),
    "another sign": (
        _row(lambda xp, x: -x, properties=Properties(keeps_sign=True)),
        "keeps_sign does not hold",
    ),
    "negative": (_row(lambda xp, x: -x, properties=Properties(keeps_nonnegative=True)), "keeps_nonnegative"),
    "not zero": (_row(lambda xp, x: x + 1, properties=Properties(zero_if=ZeroIf.FIRST)), "ZeroIf.FIRST"),
    "no inverse": (_states(undoes=("tanh",)), "undoes=tanh does not hold"),
    "no inverse of sizes": (_states(undoes_up_to_sign=("square",)), "undoes_up_to_sign=square"),
    "the inverse of nothing": (_states(undoes=("nope",)), "name 'nope', which is no function"),
    "another power": (_states(degrees=(2,)), r"degrees=\(2,\) does not hold"),
    "does not commute": (
        _row(lambda xp, x, y: x - y, None, T, T, commutative=True),
        "commutative does not hold",
    ),
    "no product": (_pair_states(lambda xp, x, y: x + y, parity=Parity.PRODUCT), "Parity.PRODUCT"),
    "no factor": (_pair_states(lambda xp, x, y: x * y, common_factor=CommonFactor.ANY), "CommonFactor.ANY"),
    "no average": (
        _row(lambda xp, x, y, a: x + a * y, None, T, T, S, properties=Properties(averages=True)),
        "averages",
    ),
}
IN_JAX = {
    "other code": (
        _row(jax_code="{0} / (2 + jnp.abs({0}))"),
        r"code for the export to optax gives 0.333\d* for mine\(1\), its meaning in NumPy 0.5",
    ),
    "code of another library": (_row(code="np.abs({0})"), "raises NameError"),
    "code that is none": (_row(code="{xp}.abs({0}"), "raises SyntaxError"),
    "an argument it does not have": (_row(code="{0} + {1}"), "raises IndexError"),
    "other code on arrays": (
        _row(lambda xp, x: tuple(a - xp.mean(a) for a in x), T, code="{0} - {0}.sum()"),
        r"for mine\(tree\)",
    ),
    "NumPy in JAX": (_row(lambda xp, x: np.tanh(x)), "raises TracerArrayConversionError"),
    "a branch in JAX": (
        _row(lambda xp, x: x if x[0].sum() > 0 else tuple(-a for a in x), T),
        "raises TracerBoolConversionError",
    ),
    "another meaning in JAX": (
        _row(lambda xp, x: x if xp is np else 2 * x),
        r"under jax.jit it gives 2 for mine\(1\), its meaning in NumPy 1",
    ),
}


@pytest.mark.parametrize(("row", "message"), FAULTY.values(), ids=FAULTY)
def test_a_fault_is_told_with_the_numbers_where_it_shows(row: Function, message: str):
    fault = numpy_fault(row)
    assert fault is not None
    assert re.search(message, fault)
    assert "\n" not in fault


@pytest.mark.parametrize(("row", "message"), IN_JAX.values(), ids=IN_JAX)
def test_a_fault_that_shows_in_jax_only_is_told_too(row: Function, message: str):
    add_function(row)
    with pytest.raises(FunctionFaultError, match=message) as error:
        try_in_jax()
    assert "'mine'" in str(error.value)
    assert "\n" not in str(error.value)


MODULE = """
from lion_search import Function, Type
T = (Type.TREE,)
same = lambda xp, x: x
fine = Function("fine", T, None, lambda xp, x: 2 * x)
faulty = Function("faulty", T, None, lambda xp, x: x.sum())
helped = Function("helped", T, None, same, code="_s({0})", helpers=("def _s(x): return x",))
other = Function("other", T, None, same, code="_s({0})", helpers=("def _s(x): return 2",))
filled = Function("filled", T, None, same, helpers=("def _fill(x): return x",))
broken = Function("broken", T, None, same, helpers=("def _f(x) return x",))
untyped = Function("untyped", (2,), None, same)
unnamed = Function(3, T, None, same)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"tried_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_a_function_is_tried_when_it_is_loaded_and_known_after_that(module: str):
    row = load_tried(f"{module}:fine")
    assert FUNCTIONS["fine"] is row is load_tried(f"{module}:fine")
    with pytest.raises(FunctionFaultError, match=rf"^function 'faulty' \({module}:faulty\): "):
        load_tried(f"{module}:faulty")
    assert "faulty" not in FUNCTIONS
    assert f"{module}:fine" in functions.own_references()
    assert f"{module}:faulty" not in functions.own_references()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("filled", "helper _fill is taken"),
        ("broken", "a helper is no Python"),
        ("untyped", "parameters are lion_search Types"),
        ("unnamed", "'3' cannot name a function"),
        ("nowhere", r"no attribute 'nowhere' \(.*\.py\)"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_why(module: str, name: str, message: str):
    with pytest.raises((LionSearchError, UserCodeError), match=message):
        load_tried(f"{module}:{name}")


def test_two_helpers_of_one_name_would_replace_each_other(module: str):
    load_tried(f"{module}:helped")
    with pytest.raises(LionSearchError, match="'other': the name of its helper _s is taken"):
        load_tried(f"{module}:other")


def test_what_a_row_makes_of_fixed_numbers_tells_meanings_apart():
    one, same, other = (
        _row(),
        _row(lambda xp, x: x / (xp.abs(x) + 1)),
        replace(_row(), meaning=lambda xp, x: x),
    )
    np.testing.assert_allclose(sample(one), sample(same), rtol=1e-12)
    assert not np.allclose(sample(one), sample(other))
