"""The checks that look into a training, on the digits; the numbers they give are known of these rules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.training.prepare import prepare
from lion_search.proxy_tasks.training.walking import Walker
from lion_search.results.store import Store
from lion_search.selection.card.bench import Bench, Point
from lion_search.selection.card.checks import CHECKS
from lion_search.selection.card.grid import Cell, Grid

TASK = "digits_he"
USUAL = Point(0.3, 3.0)
EXPLODING = """
def train(w, g, m, lr):
    g2 = square(g)
    m = interp(g2, m, 0.99999)
    root = sqrt(m)
    update = g / root
    lr = lr * 0.00001
    update = update * lr
    return update, m
"""
SATURATED = """
def train(w, g, lr):
    update = tanh(g)
    lr = lr * 0.01
    update = update * lr
    return update
"""
SGD = "def train(w, g, lr):\n    lr = lr * 0.1\n    update = g * lr\n    return update"
SLOW = """
def train(w, g, v, lr):
    v = interp(g, v, 0.9999)
    lr = lr * 0.1
    update = v * lr
    return update, v
"""


@pytest.fixture(scope="module")
def walker() -> Walker:
    return Walker(prepare(find_task(TASK)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.create(tmp_path / "log.db", {})) as own:
        yield own


def found(key: str, program: Program, store: Store, walker: Walker, point: Point = USUAL) -> Any:
    cell = Cell(point, 0.0, is_as_good=True)
    adamw = load_baselines(TASK).baselines["adamw"]
    bench = Bench(make_rule(program), TASK, adamw, store, None, walker, 4)  # type: ignore[arg-type]
    return next(check for check in CHECKS if check.key == key).run(bench, Grid((cell,), cell, ()))


@pytest.mark.parametrize(
    ("program", "is_invariant", "is_proportional"),
    [(library_program("lion"), True, False), (parse(SGD), False, True), (parse(SATURATED), False, False)],
)
def test_the_scale_of_gradients(
    program: Program, is_invariant: bool, is_proportional: bool, store: Store, walker: Walker
) -> None:
    data = found("gradient_scale", program, store, walker).data
    assert (data["is_invariant"], data["is_proportional"]) == (is_invariant, is_proportional)


def test_the_bound_of_a_sign_with_decay_holds(store: Store, walker: Walker) -> None:
    finding = found("bound", library_program("lion"), store, walker, Point(1.0, 100.0))
    assert finding.data["holds"]
    assert finding.data["bound"] == pytest.approx(1 / (100 * 0.02517), rel=0.01)


@pytest.mark.parametrize("program", [parse(SGD), library_program("adamw")])
def test_of_other_rules_there_is_no_bound(program: Program, store: Store, walker: Walker) -> None:
    assert found("bound", program, store, walker) is None


def test_a_slow_average_stands_still_in_bfloat16(store: Store, walker: Walker) -> None:
    (slow,) = found("bfloat16", parse(SLOW), store, walker).data["still"]
    (quick,) = found("bfloat16", library_program("signum"), store, walker).data["still"]
    assert slow > 10 * quick


def test_first_steps_that_are_large_are_seen(store: Store, walker: Walker) -> None:
    growing = found("first_steps", parse(EXPLODING), store, walker).data
    lion = found("first_steps", library_program("lion"), store, walker).data
    assert growing["ratios"][0] > 3 > lion["ratios"][0]
