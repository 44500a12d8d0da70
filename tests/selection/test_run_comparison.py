"""Searches side by side on fresh seeds, with logs and losses by hand; and once with real trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.baseline import Baseline, load_baselines
from lion_search.proxy_tasks.jobs import Job, JobResult
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Finished, InlinePool
from lion_search.proxy_tasks.workers.worker import make_worker
from lion_search.results.curves import FitnessPoint
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store
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


def program(number: int) -> Program:
    """Programs with a redundant statement, so that genome and canonical form differ."""
    return parse(f"def train(w, g, lr):\n    v1 = w * w\n    update = g * 0.{number}1\n    return update")


HASH = {n: functional_hash(program(n)) for n in range(1, 10)}


def spread(mean: float, seed: int, size: float = 0.01) -> float:
    """Losses around a mean."""
    return mean * (1 + size * ((seed % 7) - 3))


class FakePool:
    """Answers in reverse order with losses by task and functional hash; ``None`` diverges.

    The losses of the baseline are 0.3 on every seed, those of programs lie around their means.
    """

    def __init__(self, means: Mapping[int, float | None], baseline: float | None = 0.3) -> None:
        self._means = {HASH[number]: mean for number, mean in means.items()}
        self._baseline = baseline
        self._waiting: list[tuple[int, Job]] = []
        self.jobs: list[Job] = []

    room = 1
    in_flight = 0

    def submit(self, job_id: int, payload: Job) -> None:
        self.jobs.append(payload)
        self._waiting.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        job_id, job = self._waiting.pop()
        return [Finished(job_id, JobResult(tuple(self._scores(job))))]

    def close(self) -> None:
        pass

    def _scores(self, job: Job) -> list[Score]:
        subject = job.subject
        assert isinstance(subject, Baseline | Program)
        mean = self._baseline if isinstance(subject, Baseline) else self._means[functional_hash(subject)]
        size = 0.0 if isinstance(subject, Baseline) else 0.01
        if mean is None:
            task, seed, part = job.samples[0]
            return [Score(task, part, seed, Status.DIVERGED, None, 3, 0.1, "not finite after step 3")]
        return [Score(t, p, s, Status.OK, spread(mean, s, size), 250, 0.1) for t, s, p in job.samples]


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
        name = name or label
        task = next(iter(tasks))
        store = Store.create(self.folder / f"{name}.db", {"tasks": tasks})
        baseline = Score(task, Part.VALIDATION, 0, Status.OK, 0.3, 250, 0.1)
        store.append([], [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, baseline)])
        for number, (own, loss) in enumerate(found):
            status = Status.DIVERGED if loss is None else Status.OK
            hash_ = functional_hash(own)
            individual = Individual(
                id=number, draw=number, repeat=0, era=0, parent_id=None, mutation="insert",
                program=format_program(own), hash=hash_, proposed_hash=hash_, fingerprint=None,
                outcome=Outcome.EVALUATED, status=status, scored_id=number, update_scale=1.0,
                num_statements=2, num_live_statements=1, num_states=0, num_canonical_statements=1,
            )  # fmt: skip
            score = Score(task, Part.VALIDATION, 0, status, loss, 250, 0.1)
            store.append([individual], [Evaluation(Stage.SEARCH, hash_, score, number)])
        return LabelledRun(label, name, store)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def numbered(*losses: tuple[int, float | None]) -> list[tuple[Program, float | None]]:
    return [(program(number), loss) for number, loss in losses]


def compare(pool: FakePool, *compared: LabelledRun, points: int = 2, **options: Any) -> RunComparison:
    baselines = dict.fromkeys(compared[0].store.run_facts()["tasks"], BASELINE)
    return compare_runs(
        compared, pool, baselines=baselines, points=points, num_seeds=NUM_SEEDS, **options
    )  # fmt: skip


# What is trained.


def test_all_are_trained_on_the_seeds_of_the_comparison_and_the_given_part(runs: Runs) -> None:
    pool = FakePool({1: 0.3, 2: 0.2})
    compare(pool, runs("a", numbered((1, 0.3), (2, 0.2))), part=Part.VALIDATION)
    expected = tuple((TASK, seed, Part.VALIDATION) for seed in SEEDS)
    assert [job.samples for job in pool.jobs] == [expected] * 3


def test_by_default_the_test_part_is_measured(runs: Runs) -> None:
    pool = FakePool({1: 0.3})
    found = compare(pool, runs("a", numbered((1, 0.3))))
    assert found.part is Part.TEST
    assert {part for job in pool.jobs for _, _, part in job.samples} == {Part.TEST}


def test_a_program_that_is_the_best_again_and_again_is_trained_once(runs: Runs) -> None:
    pool = FakePool({1: 0.2})
    one = runs("one", numbered((1, 0.1), (2, 0.2), (3, 0.3)))
    two = runs("two", numbered((1, 0.1), (4, 0.2), (5, 0.3)))
    found = compare(pool, one, two, points=3)
    assert len(found.measured) == 6
    assert len([job for job in pool.jobs if isinstance(job.subject, Program)]) == 1


def test_what_is_trained_is_the_canonical_form(runs: Runs) -> None:
    pool = FakePool({1: 0.2})
    compare(pool, runs("a", numbered((1, 0.1))))
    (trained,) = [job.subject for job in pool.jobs if isinstance(job.subject, Program)]
    assert len(trained.statements) == 1
    assert functional_hash(trained) == HASH[1]


def test_all_runs_are_compared_up_to_what_the_shortest_has(runs: Runs) -> None:
    short = runs("short", numbered((1, 0.3), (2, 0.2)))
    long = runs("long", numbered((1, 0.3), (3, 0.25), (4, 0.1), (5, 0.05)))
    found = compare(FakePool({1: 0.3, 2: 0.2, 3: 0.25}), short, long)
    assert found.checkpoints == (1, 2)
    assert [(m.run, m.trainings, m.hash) for m in found.measured] == [
        ("short", 1, HASH[1]),
        ("short", 2, HASH[2]),
        ("long", 1, HASH[1]),
        ("long", 2, HASH[3]),
    ]


def test_the_last_checkpoint_may_be_given(runs: Runs) -> None:
    run = runs("a", numbered((1, 0.3), (2, 0.2), (3, 0.1), (4, 0.05)))
    found = compare(FakePool({1: 0.3, 2: 0.2}), run, max_trainings=2)
    assert [(m.trainings, m.individual_id) for m in found.measured] == [(1, 0), (2, 1)]


# What is reported.


def test_fitness_is_relative_to_tuned_adamw_on_the_same_fresh_seeds(runs: Runs) -> None:
    found = compare(FakePool({1: 0.2}, baseline=0.25), runs("a", numbered((1, 0.1))), points=1)
    mean = np.mean([spread(0.2, seed) for seed in SEEDS])
    (row,) = found.measured
    assert row.fitness == pytest.approx(math.log(0.25 / mean))
    assert row.judged == pytest.approx(min(1.0, math.log(0.3 / 0.1)))


def test_the_standard_error_of_one_run_is_over_seeds(runs: Runs) -> None:
    found = compare(FakePool({1: 0.2}), runs("a", numbered((1, 0.1))), points=1)
    gains = [math.log(0.3 / spread(0.2, seed)) for seed in SEEDS]
    expected = np.std(gains, ddof=1) / math.sqrt(NUM_SEEDS)
    assert found.measured[0].standard_error == pytest.approx(expected)
    (curve,) = found.curves
    assert curve.points == (FitnessPoint(1, found.measured[0].fitness, found.measured[0].standard_error),)


def test_gains_are_averaged_over_tasks_before_seeds_are_compared(runs: Runs) -> None:
    """A second task with the same losses changes neither the mean nor its error, as twice the seeds would."""
    both = {TASK: {"steps": 250}, "digits_vit": {"steps": 250}}
    one = compare(FakePool({1: 0.2}), runs("one", numbered((1, 0.1))), points=1).measured[0]
    two = compare(FakePool({1: 0.2}), runs("two", numbered((1, 0.1)), tasks=both), points=1).measured[0]
    assert (two.fitness, two.standard_error) == pytest.approx((one.fitness, one.standard_error))


def test_runs_of_one_label_are_joined_with_the_standard_error_over_runs(runs: Runs) -> None:
    same = [runs("lag", numbered((number, 0.1)), name=f"lag{number}") for number in (1, 2, 3)]
    found = compare(FakePool({1: 0.2, 2: 0.25, 3: 0.4}), *same, points=1)
    values = [row.fitness for row in found.measured]
    (curve,) = found.curves
    assert (curve.label, curve.num_runs) == ("lag", 3)
    (point,) = curve.points
    assert point.fitness == pytest.approx(np.mean(values))
    assert point.standard_error == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))


def test_curves_are_in_the_order_of_their_labels(runs: Runs) -> None:
    compared = [runs(label, numbered((1, 0.1)), name=f"run{n}") for n, label in enumerate(["z", "a", "z"])]
    found = compare(FakePool({1: 0.2}), *compared)
    assert [(curve.label, curve.num_runs) for curve in found.curves] == [("z", 2), ("a", 1)]


def test_a_program_that_fails_on_fresh_seeds_counts_as_minus_one_and_says_why(runs: Runs) -> None:
    good, bad = (runs("a", numbered((n, 0.1)), name=f"run{n}") for n in (1, 2))
    found = compare(FakePool({1: 0.3, 2: None}), good, bad, points=1)
    _, row = found.measured
    assert (row.fitness, row.status, row.reason) == (-1, Status.DIVERGED, "not finite after step 3")
    assert math.isnan(row.standard_error)
    assert found.curves[0].points[0].fitness == pytest.approx((found.measured[0].fitness - 1) / 2)


def test_a_label_has_no_point_where_one_of_its_runs_knew_no_program(runs: Runs) -> None:
    early = runs("a", numbered((1, 0.2), (2, 0.1)), name="early")
    late = runs("a", numbered((3, None), (4, 0.2)), name="late")
    found = compare(FakePool({1: 0.2, 2: 0.1, 4: 0.2}), early, late)
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
        compare(FakePool({}), *compared)


def test_equal_tasks_in_another_order_are_the_same(runs: Runs) -> None:
    both = {TASK: {"steps": 250}, "digits_vit": {"steps": 500}}
    other = dict(reversed(both.items()))
    compared = [runs("one", [], tasks=both), runs("two", [], tasks=other)]
    assert common_tasks(compared) == (TASK, "digits_vit")


def test_a_run_without_trainings_is_refused(runs: Runs) -> None:
    with pytest.raises(RunComparisonError, match="run 'empty' has 0 trainings; expected at least 1"):
        compare(FakePool({}), runs("one", numbered((1, 0.1))), runs("empty", []))


def test_a_run_that_does_not_reach_the_last_checkpoint_is_refused(runs: Runs) -> None:
    with pytest.raises(RunComparisonError, match="run 'one' has 1 trainings; expected at least 5"):
        compare(FakePool({}), runs("one", numbered((1, 0.1))), max_trainings=5)


def test_a_baseline_that_cannot_be_trained_is_an_error(runs: Runs) -> None:
    with pytest.raises(TaskError, match="the baseline cannot be trained"):
        compare(FakePool({1: 0.1}, baseline=None), runs("one", numbered((1, 0.1))))


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
