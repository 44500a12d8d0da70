"""A stage that was cut short goes on: what is in the log is not trained again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from logs import individual
from pools import FakePool, diverged, program, trained

from lion_search.proxy_tasks.jobs import Job, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.logged import evaluate_logged

A, B = program(1), program(2)
SUBJECTS: dict[tuple[str, str], Subject] = {
    ("a", "one"): A, ("a", "two"): A, ("b", "one"): B, ("baseline:sgd", "one"): "optax:sgd",
}  # fmt: skip
SEEDS = (7, 8, 9)


def trains(job: Job) -> tuple[Score, ...]:
    return trained(job, lambda seed: seed / 10)


def dives(job: Job) -> tuple[Score, ...]:
    """Program A diverges on its second seed."""
    seeds = [seed for _, seed, _ in job.samples]
    if job.subject != A or SEEDS[1] not in seeds:
        return trains(job)
    place = seeds.index(SEEDS[1])
    return (*trains(job)[:place], diverged(job, place))


def crashes(job: Job) -> tuple[Score, ...] | Failure:
    return Failure(FailureKind.DIED, "twice") if job.subject == A else trains(job)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "log.db", {})
    store.append([individual(0), individual(1)], [])
    return store


def evaluate(
    store: Store, pool: FakePool, seeds: tuple[int, ...] = SEEDS, stage: Stage = Stage.TEST
) -> dict[tuple[str, str], tuple[Score, ...]]:
    fake: Any = pool
    return evaluate_logged(store, fake, stage, SUBJECTS, Part.TEST, seeds, {"a": 0, "b": 1})


def test_each_subject_is_trained_on_its_task_and_all_seeds_and_logged(store: Store) -> None:
    """With stage and individual."""
    pool = FakePool(trains, room=4)
    found = evaluate(store, pool)
    samples = [tuple((task, seed, Part.TEST) for seed in SEEDS) for _, task in SUBJECTS]
    assert [job.samples for job in pool.jobs] == samples
    assert found == {key: trains(job) for key, job in zip(SUBJECTS, pool.jobs, strict=True)}
    rows = store.evaluations()
    assert len(rows) == 12
    assert {e.stage for e in rows} == {Stage.TEST}
    assert {(e.subject, e.individual_id) for e in rows} == {("a", 0), ("b", 1), ("baseline:sgd", None)}


@pytest.mark.parametrize("answer", [trains, dives, crashes])
def test_what_is_in_the_log_is_taken_from_there(store: Store, answer: Any) -> None:
    """Failures too."""
    first = evaluate(store, FakePool(answer))
    assert (first["a", "one"][-1].status is Status.OK) == (answer is trains)
    before, pool = store.evaluations(), FakePool(trains)
    assert evaluate(store, pool) == first
    assert pool.jobs == []
    assert store.evaluations() == before


@pytest.mark.parametrize("answer", [trains, dives])
@pytest.mark.parametrize("room", [1, 5, 8, 100])
def test_trainings_are_shared_out_among_as_many_workers_as_there_are(
    store: Store, room: int, answer: Any
) -> None:
    """And the scores are the same."""
    pool = FakePool(answer, room=room)
    found = evaluate(store, pool)
    assert max(len(job.samples) for job in pool.jobs) == {1: 3, 5: 2, 8: 2, 100: 1}[room]
    own = [s.loss for s in found["a", "one"]]
    assert own == ([0.7, 0.8, 0.9] if answer is trains else [0.7, None])


@pytest.mark.parametrize("room", [4, 100])
@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_stage_that_was_interrupted_goes_on(store: Store, done: int, room: int) -> None:
    first = FakePool(trains, breaks_after=done, room=room)
    with pytest.raises(KeyboardInterrupt):
        evaluate(store, first)
    logged = len(store.evaluations())
    pool = FakePool(trains, room=room)
    found = evaluate(store, pool)
    assert sum(len(job.samples) for job in pool.jobs) == 12 - logged
    assert len(store.evaluations()) == 12
    assert set(found) == set(SUBJECTS)
    assert all([s.seed for s in scores] == list(SEEDS) for scores in found.values())


def test_of_more_seeds_only_the_new_ones_are_trained(store: Store) -> None:
    evaluate(store, FakePool(trains), seeds=SEEDS[:2])
    pool = FakePool(trains)
    found = evaluate(store, pool)
    assert {seed for job in pool.jobs for _, seed, _ in job.samples} == {SEEDS[2]}
    assert [s.seed for s in found["a", "one"]] == list(SEEDS)


def test_another_stage_is_trained_anew(store: Store) -> None:
    evaluate(store, FakePool(trains), stage=Stage.SELECTION)
    pool = FakePool(trains)
    evaluate(store, pool)
    assert sum(len(job.samples) for job in pool.jobs) == 12
