"""Tuning of a program's own constants, with a loss that is known of each point."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from logs import Log
from pools import FakePool, diverged, spread, trained

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Score
from lion_search.results.records import Stage
from lion_search.selection.constants import NUM_POINTS, WIDTHS, constants, neighbours, tune_constants

TASK = "digits_mlp"
BEST = (0.9, 0.02)


def written(state: str, *lines: str) -> Program:
    names, outputs = (f"w, g, {state}, lr", f"update, {state}") if state else ("w, g, lr", "update")
    return parse("\n    ".join([f"def train({names}):", *lines, f"return {outputs}"]))


def average(weight: float, rate: float) -> Program:
    return written("m", f"m = interp(g, m, {weight})", f"update = m * {rate}")


def distance(program: Program) -> float:
    """From the best constants: in odds, and as a factor."""
    weight, rate = constants(program)
    if program.statements[0].args[0] == "m":  # the canonical form: interp(m, g, 1 - weight)
        weight = 1 - weight
    if not 0 < weight < 1:
        return math.inf
    return math.log(weight / (1 - weight) * (1 - BEST[0]) / BEST[0]) ** 2 + math.log(rate / BEST[1]) ** 2


def answer(job: Job) -> tuple[Score, ...]:
    if not isinstance(job.subject, Program):
        return trained(job, lambda seed: spread(0.3, seed))
    found = distance(job.subject)
    return (diverged(job),) if found > 10 else trained(job, lambda seed: spread(0.2 + 0.01 * found, seed))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db")


@pytest.mark.parametrize("start", [(0.6, 0.05), (0.99, 0.004)])
def test_constants_come_near_the_best(log: Log, start: tuple[float, float]) -> None:
    found = tune_constants(log.store, FakePool(answer), average(*start), [TASK])
    assert found is not None
    assert distance(found) < 0.25 * distance(average(*start))


def test_nothing_is_tuned_of_the_best_or_without_constants(log: Log) -> None:
    assert tune_constants(log.store, FakePool(answer), average(*BEST), [TASK]) is None
    assert tune_constants(log.store, FakePool(answer), written("", "update = g"), [TASK]) is None


def test_a_tuning_that_was_cut_short_goes_on_where_it_was(log: Log) -> None:
    first = tune_constants(log.store, FakePool(answer), average(0.6, 0.05), [TASK])
    logged, pool = log.store.evaluations(), FakePool(answer)
    assert tune_constants(log.store, pool, average(0.6, 0.05), [TASK]) == first
    assert pool.jobs == []
    assert {e.stage for e in logged} == {Stage.TUNING}


def test_new_points_keep_zeros_signs_and_what_is_between_0_and_1() -> None:
    start = written("", "update = interp(g, w, 0.999)", "update = update * -2.0", "update = update + 0.0")
    points = neighbours(WIDTHS[0], [start], np.random.default_rng(0))
    assert len(points) == NUM_POINTS
    values = np.array([constants(point) for point in points])
    assert ((values[:, 0] > 0.98) & (values[:, 0] < 1)).all()
    assert (values[:, 1] < 0).all()
    assert (values[:, 2] == 0).all()
    moved = values[:, :2] != [0.999, -2.0]
    assert 0.25 < moved.mean() < 0.75
