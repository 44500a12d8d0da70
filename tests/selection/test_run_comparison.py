"""Searches side by side on fresh seeds, with logs and losses by hand; and once with real trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logs import Log, score
from pools import HASH, FakePool, by_program, program, spread

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import InlinePool
from lion_search.proxy_tasks.workers.worker import make_worker
from lion_search.results.curves import FitnessPoint
from lion_search.results.records import Stage
from lion_search.selection.run_comparison import (
    LabelledRun,
    RunComparison,
    RunComparisonError,
    common_tasks,
    compare_runs,
)

TASK = "digits_mlp"
TASKS: Mapping[str, Any] = {TASK: {"steps": 250, "data": "abc"}}
BASELINE = load_baselines(TASK).baselines["adamw"]
NUM_SEEDS = 8
SEEDS = Stage.COMPARISON.seeds(NUM_SEEDS)


def pool_of(means: Mapping[int, float | None], baseline: float | None = 0.3) -> FakePool:
    """Its losses are around a mean for each program, and the same on all seeds for the baseline."""
    return FakePool(by_program(means, None if baseline is None else lambda seed: baseline))


class Runs:
    """Logs of searches in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        label: str,
        found: Sequence[tuple[Program, float | None]],
        *,
        name: str | None = None,
        tasks: Mapping[str, Any] = TASKS,
    ) -> LabelledRun:
        """A search that trained these programs in this order, with these losses on one seed of a task."""
        name, task = name or label, next(iter(tasks))
        log = Log(self.folder / f"{name}.db", {"tasks": tasks})
        log.add_baseline([0.3], task=task)
        for own, loss in found:
            log.add(functional_hash(own), [score(loss, task=task)], program=format_program(own))
        return LabelledRun(label, name, log.store)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def numbered(*losses: tuple[int, float | None]) -> list[tuple[Program, float | None]]:
    return [(program(number), loss) for number, loss in losses]


def compare(pool: Any, *compared: LabelledRun, points: int = 2, **options: Any) -> RunComparison:
    baselines = dict.fromkeys(compared[0].store.run_facts()["tasks"], BASELINE)
    return compare_runs(compared, pool, baselines=baselines, points=points, num_seeds=NUM_SEEDS, **options)


# What is trained.


def test_all_are_trained_on_the_seeds_of_the_comparison_and_the_given_part(runs: Runs) -> None:
    """By default the test part; canonical forms."""
    run = runs("a", numbered((1, 0.3), (2, 0.2)))
    for part, options in ((Part.VALIDATION, {"part": Part.VALIDATION}), (Part.TEST, {})):
        pool = pool_of({1: 0.3, 2: 0.2})
        assert compare(pool, run, **options).part is part
        assert [job.samples for job in pool.jobs] == [tuple((TASK, seed, part) for seed in SEEDS)] * 3
        trained = [job.subject for job in pool.jobs if isinstance(job.subject, Program)]
        assert [functional_hash(own) for own in trained] == [HASH[1], HASH[2]]
        assert {len(own.statements) for own in trained} == {1}


def test_searches_are_compared_on_tasks_that_are_not_theirs(runs: Runs) -> None:
    run, pool = runs("a", numbered((1, 0.3), (2, 0.2))), pool_of({1: 0.3, 2: 0.2})
    found = compare_runs([run], pool, baselines={"digits_he": BASELINE}, points=2, num_seeds=NUM_SEEDS)
    assert found.tasks == ("digits_he",)
    assert {task for job in pool.jobs for task, _, _ in job.samples} == {"digits_he"}


def test_a_program_that_is_the_best_again_and_again_is_trained_once(runs: Runs) -> None:
    pool = pool_of({1: 0.2})
    one = runs("one", numbered((1, 0.1), (2, 0.2), (3, 0.3)))
    two = runs("two", numbered((1, 0.1), (4, 0.2), (5, 0.3)))
    found = compare(pool, one, two, points=3)
    assert len(found.measured) == 6
    assert len([job for job in pool.jobs if isinstance(job.subject, Program)]) == 1


def test_all_runs_are_compared_up_to_what_the_shortest_has(runs: Runs) -> None:
    short = runs("short", numbered((1, 0.3), (2, 0.2)))
    long = runs("long", numbered((1, 0.3), (3, 0.25), (4, 0.1), (5, 0.05)))
    found = compare(pool_of({1: 0.3, 2: 0.2, 3: 0.25}), short, long)
    assert found.checkpoints == (1, 2)
    assert [(m.run, m.trainings, m.hash) for m in found.measured] == [
        ("short", 1, HASH[1]),
        ("short", 2, HASH[2]),
        ("long", 1, HASH[1]),
        ("long", 2, HASH[3]),
    ]


def test_the_last_checkpoint_may_be_given(runs: Runs) -> None:
    run = runs("a", numbered((1, 0.3), (2, 0.2), (3, 0.1), (4, 0.05)))
    found = compare(pool_of({1: 0.3, 2: 0.2}), run, max_trainings=2)
    assert [(m.trainings, m.individual_id) for m in found.measured] == [(1, 0), (2, 1)]


# What is reported.


def test_fitness_is_relative_to_tuned_adamw_on_the_same_fresh_seeds(runs: Runs) -> None:
    found = compare(pool_of({1: 0.2}, baseline=0.25), runs("a", numbered((1, 0.1))), points=1)
    mean = np.mean([spread(0.2, seed) for seed in SEEDS])
    (row,) = found.measured
    assert row.fitness == pytest.approx(math.log(0.25 / mean))
    assert row.judged == pytest.approx(math.log(0.3 / 0.1))


def test_the_standard_error_of_one_run_is_over_seeds(runs: Runs) -> None:
    found = compare(pool_of({1: 0.2}), runs("a", numbered((1, 0.1))), points=1)
    gains = [math.log(0.3 / spread(0.2, seed)) for seed in SEEDS]
    expected = np.std(gains, ddof=1) / math.sqrt(NUM_SEEDS)
    assert found.measured[0].standard_error == pytest.approx(expected)
    (curve,) = found.curves
    assert curve.points == (FitnessPoint(1, found.measured[0].fitness, found.measured[0].standard_error),)


def test_gains_are_averaged_over_tasks_before_seeds_are_compared(runs: Runs) -> None:
    """A second task with the same losses changes neither the mean nor its error, as twice the seeds would."""
    both = {TASK: {"steps": 250}, "digits_vit": {"steps": 250}}
    one = compare(pool_of({1: 0.2}), runs("one", numbered((1, 0.1))), points=1).measured[0]
    two = compare(pool_of({1: 0.2}), runs("two", numbered((1, 0.1)), tasks=both), points=1).measured[0]
    assert (two.fitness, two.standard_error) == pytest.approx((one.fitness, one.standard_error))


def test_runs_of_one_label_are_joined_with_the_standard_error_over_runs(runs: Runs) -> None:
    same = [runs("lag", numbered((number, 0.1)), name=f"lag{number}") for number in (1, 2, 3)]
    found = compare(pool_of({1: 0.2, 2: 0.25, 3: 0.4}), *same, points=1)
    values = [row.fitness for row in found.measured]
    (curve,) = found.curves
    assert (curve.label, curve.num_runs) == ("lag", 3)
    (point,) = curve.points
    assert point.fitness == pytest.approx(np.mean(values))
    assert point.standard_error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))


def test_curves_are_in_the_order_of_their_labels(runs: Runs) -> None:
    compared = [runs(label, numbered((1, 0.1)), name=f"run{n}") for n, label in enumerate(["z", "a", "z"])]
    found = compare(pool_of({1: 0.2}), *compared)
    assert [(curve.label, curve.num_runs) for curve in found.curves] == [("z", 2), ("a", 1)]


def test_a_program_that_fails_on_fresh_seeds_counts_as_minus_one_and_says_why(runs: Runs) -> None:
    good, bad = (runs("a", numbered((n, 0.1)), name=f"run{n}") for n in (1, 2))
    found = compare(pool_of({1: 0.3, 2: None}), good, bad, points=1)
    _, row = found.measured
    assert (row.fitness, row.status, row.reason) == (-1, Status.DIVERGED, "not finite after step 3")
    assert math.isnan(row.standard_error)
    assert found.curves[0].points[0].fitness == pytest.approx((found.measured[0].fitness - 1) / 2)


def test_a_label_has_no_point_where_one_of_its_runs_knew_no_program(runs: Runs) -> None:
    early = runs("a", numbered((1, 0.2), (2, 0.1)), name="early")
    late = runs("a", numbered((3, None), (4, 0.2)), name="late")
    found = compare(pool_of({1: 0.2, 2: 0.1, 4: 0.2}), early, late)
    assert [(m.run, m.trainings) for m in found.measured] == [("early", 1), ("early", 2), ("late", 2)]
    assert [point.trainings for point in found.curves[0].points] == [2]


# What is refused.


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"digits_vit": TASKS[TASK]}, "the tasks are digits_mlp and digits_vit"),
        ({**TASKS, "digits_vit": {}}, "the tasks are digits_mlp and digits_mlp, digits_vit"),
        ({TASK: {"steps": 500, "data": "abc"}}, "steps of task 'digits_mlp' is 250 and 500"),
        ({TASK: {"steps": 250, "data": "abd"}}, "data of task 'digits_mlp' is abc and abd"),
        ({TASK: {"steps": 250}}, "data of task 'digits_mlp' is abc and None"),
        ({TASK: {**TASKS[TASK], "batch_size": 8}}, "batch_size of task 'digits_mlp' is None and 8"),
    ],
)
def test_runs_on_different_tasks_are_refused(runs: Runs, tasks: Mapping[str, Any], message: str) -> None:
    compared = [
        runs("one", numbered((1, 0.1))),
        runs("two", numbered((1, 0.1))),
        runs("three", numbered((1, 0.1)), tasks=tasks),
    ]
    with pytest.raises(RunComparisonError, match=f"runs 'one' and 'three' cannot be compared: {message}$"):
        common_tasks(compared)
    with pytest.raises(RunComparisonError, match=message):
        compare(pool_of({}), *compared)


def test_equal_tasks_in_another_order_are_the_same(runs: Runs) -> None:
    both = {TASK: {"steps": 250}, "digits_vit": {"steps": 500}}
    other = dict(reversed(both.items()))
    compared = [runs("one", [], tasks=both), runs("two", [], tasks=other)]
    assert common_tasks(compared) == (TASK, "digits_vit")


def test_a_run_without_trainings_is_refused(runs: Runs) -> None:
    with pytest.raises(RunComparisonError, match="run 'empty' has 0 trainings; expected at least 1"):
        compare(pool_of({}), runs("one", numbered((1, 0.1))), runs("empty", []))


def test_a_run_that_does_not_reach_the_last_checkpoint_is_refused(runs: Runs) -> None:
    with pytest.raises(RunComparisonError, match="run 'one' has 1 training; expected at least 5"):
        compare(pool_of({}), runs("one", numbered((1, 0.1))), max_trainings=5)


def test_a_baseline_that_cannot_be_trained_is_an_error(runs: Runs) -> None:
    with pytest.raises(TaskError, match="the baseline cannot be trained"):
        compare(pool_of({1: 0.1}, baseline=None), runs("one", numbered((1, 0.1))))


# With real trainings.


@pytest.mark.large
def test_real_programs_are_measured_on_a_real_task(runs: Runs) -> None:
    """Standing still is as far behind tuned AdamW as can be counted; tuned Lion is somewhere near."""
    still = parse("def train(w, g, lr):\n    update = g * 0.0\n    return update")
    lion = load_baselines(TASK).baselines["lion"].optimizer()
    assert isinstance(lion, Program)
    run = runs("real", [(still, 0.25), (lion, 0.2)])
    pool = InlinePool(partial(make_worker, (), (TASK,), None))
    found = compare_runs([run], pool, baselines={TASK: BASELINE}, points=2, num_seeds=4)
    first, last = found.measured
    assert first.status is last.status is Status.OK
    assert first.fitness == -1
    assert -0.5 < last.fitness < 0.5
    assert 0 < last.standard_error < 0.2
