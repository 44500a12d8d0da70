"""A stage that was cut short goes on: what is in the log is not trained again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import Job, JobResult, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind, Finished
from lion_search.results.records import Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store
from lion_search.selection.logged import evaluate_logged

A, B = (parse(f"def train(w, g, lr):\n    update = g * {c}\n    return update") for c in (0.1, 0.2))
SUBJECTS: dict[tuple[str, str], Subject] = {
    ("a", "one"): A, ("a", "two"): A, ("b", "one"): B, ("baseline:sgd", "one"): "optax:sgd",
}  # fmt: skip
SEEDS = (7, 8, 9)
IDS = {"a": 0, "b": 1}


class FakePool:
    """Answers in reverse order; programs that dive diverge on their second seed; can break."""

    room = 8

    def __init__(self, dives: Subject = "", crashes: Subject = "", breaks_after: int = 99) -> None:
        self.jobs: list[Job] = []
        self._waiting: list[tuple[int, Job]] = []
        self._dives, self._crashes = dives, crashes
        self._left = breaks_after

    def submit(self, job_id: int, payload: Job) -> None:
        self.jobs.append(payload)
        self._waiting.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        job_id, job = self._waiting.pop()
        if job.subject == self._crashes:
            return [Finished(job_id, failure=Failure(FailureKind.DIED, "twice"))]
        return [Finished(job_id, JobResult(answer(job, self._dives)))]


def answer(job: Job, dives: Subject = "") -> tuple[Score, ...]:
    scores = [Score(t, p, s, Status.OK, s / 10, 5, 0.1) for t, s, p in job.samples]
    if job.subject == dives:
        task, seed, part = job.samples[1]
        scores[1:] = [Score(task, part, seed, Status.DIVERGED, None, 3, 0.1, "no")]
    return tuple(scores)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "log.db", {})
    store.append([_individual(0), _individual(1)], [])
    return store


def _individual(number: int) -> Individual:
    hash_ = functional_hash((A, B)[number])
    return Individual(
        id=number, draw=number, repeat=0, era=0, parent_id=None, mutation="insert", program="",
        hash=hash_, proposed_hash=hash_, fingerprint=None, outcome=Outcome.EVALUATED,
        status=Status.OK, scored_id=number, update_scale=1.0, num_statements=1, num_live_statements=1,
        num_states=0, num_canonical_statements=1,
    )  # fmt: skip


def evaluate(store: Store, pool: FakePool, seeds=SEEDS, stage: Stage = Stage.TEST):
    return evaluate_logged(store, pool, stage, SUBJECTS, Part.TEST, seeds, IDS)  # type: ignore[arg-type]


def logged(store: Store) -> list[Evaluation]:
    return sorted(store.evaluations(), key=lambda e: (e.subject, e.score.task, e.score.seed))


def test_each_subject_is_trained_on_its_task_and_all_seeds(store: Store) -> None:
    pool = FakePool()
    found = evaluate(store, pool)
    assert [job.samples for job in pool.jobs] == [
        tuple((task, seed, Part.TEST) for seed in SEEDS) for _, task in SUBJECTS
    ]
    assert found == {
        key: answer(Job(subject, tuple((key[1], seed, Part.TEST) for seed in SEEDS)))
        for key, subject in SUBJECTS.items()
    }


def test_all_is_logged_with_stage_subject_and_individual(store: Store) -> None:
    evaluate(store, FakePool())
    rows = logged(store)
    assert len(rows) == 12
    assert {e.stage for e in rows} == {Stage.TEST}
    assert {(e.subject, e.individual_id) for e in rows} == {("a", 0), ("b", 1), ("baseline:sgd", None)}


def test_what_is_in_the_log_is_taken_from_there(store: Store) -> None:
    first = evaluate(store, FakePool())
    pool = FakePool()
    before = store.evaluations()
    assert evaluate(store, pool) == first
    assert pool.jobs == []
    assert store.evaluations() == before


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_stage_that_was_interrupted_goes_on(store: Store, tmp_path: Path, done: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(store, FakePool(breaks_after=done))
    pool = FakePool()
    found = evaluate(store, pool)
    assert len(pool.jobs) == len(SUBJECTS) - done
    assert len(logged(store)) == 12
    assert set(found) == set(SUBJECTS)
    assert all([s.seed for s in scores] == list(SEEDS) for scores in found.values())


@pytest.mark.parametrize("failing", [{"dives": A}, {"crashes": A}])
def test_a_failure_is_taken_from_the_log_too(store: Store, failing: dict) -> None:
    first = evaluate(store, FakePool(**failing))
    assert first["a", "one"][-1].status is not Status.OK
    pool = FakePool()
    assert evaluate(store, pool) == first
    assert pool.jobs == []


def test_another_stage_is_trained_for_itself(store: Store) -> None:
    evaluate(store, FakePool(), stage=Stage.SELECTION)
    pool = FakePool()
    evaluate(store, pool)
    assert len(pool.jobs) == 4


def test_more_seeds_are_all_trained(store: Store) -> None:
    evaluate(store, FakePool(), seeds=SEEDS[:2])
    pool = FakePool()
    found = evaluate(store, pool)
    assert len(pool.jobs) == 4
    assert [s.seed for s in found["a", "one"]] == list(SEEDS)
