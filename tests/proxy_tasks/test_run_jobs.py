"""Scoring several subjects at once, whatever the order in which a pool answers."""

from __future__ import annotations

import random

import pytest

from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.jobs import Job, JobResult, Subject
from lion_search.proxy_tasks.run_jobs import evaluate_all, evaluate_baselines, run_jobs
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind, Finished

ADAMW, LION = library_program("adamw"), library_program("lion")
TUNED = load_baselines("digits_mlp").baselines["adamw"]
SGD = "optax:sgd?learning_rate=0.1"
SUBJECTS: list[Subject] = [ADAMW, LION, TUNED, SGD]


class FakePool:
    """Answers in random order, a few or none at a time; a loss tells its subject, task and seed."""

    capacity = 8

    def __init__(self, broken: Program | None = None, kind: FailureKind = FailureKind.DIED) -> None:
        self._rng = random.Random(0)
        self._waiting: list[tuple[int, Job]] = []
        self._broken = broken
        self._kind = kind

    @property
    def room(self) -> int:
        return max(0, self.capacity - len(self._waiting))

    def submit(self, job_id: int, payload: Job) -> None:
        self._waiting.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        self._rng.shuffle(self._waiting)
        count = self._rng.randrange(3)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return [self._answer(job_id, job) for job_id, job in taken]

    def _answer(self, job_id: int, job: Job) -> Finished:
        if job.subject == self._broken:
            return Finished(job_id, failure=Failure(self._kind, "its process died twice"))
        return Finished(job_id, JobResult(tuple(score(job.subject, *sample) for sample in job.samples)))


def score(subject: Subject, task: str, seed: int, part: Part) -> Score:
    return Score(task, part, seed, Status.OK, 100 * SUBJECTS.index(subject) + 10 * len(task) + seed, 1, 0.0)


def test_each_subject_has_its_own_scores_by_task_then_seed() -> None:
    found = evaluate_all(FakePool(), SUBJECTS, ["a", "bb"], Part.TEST, range(3))  # type: ignore[arg-type]
    for subject, scores in zip(SUBJECTS, found, strict=True):
        assert scores == tuple(score(subject, t, s, Part.TEST) for t in ("a", "bb") for s in range(3))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FailureKind.DIED, Status.CRASHED),
        (FailureKind.RAISED, Status.CRASHED),
        (FailureKind.TIMED_OUT, Status.TIMED_OUT),
        (FailureKind.OUT_OF_MEMORY, Status.OUT_OF_MEMORY),
    ],
)
def test_a_subject_the_pool_cannot_evaluate_has_failed_on_each_task(
    kind: FailureKind, status: Status
) -> None:
    pool = FakePool(broken=LION, kind=kind)
    adamw, lion, *_ = evaluate_all(pool, SUBJECTS, ["a", "bb"], Part.VALIDATION, range(4, 6))  # type: ignore[arg-type]
    assert [s.status for s in adamw] == [Status.OK] * 4
    assert lion == tuple(
        Score(task, Part.VALIDATION, 4, status, None, 0, 0.0, "its process died twice")
        for task in ("a", "bb")
    )


def test_each_baseline_is_scored_on_its_own_task() -> None:
    pool = FakePool()
    scores = evaluate_baselines(pool, {"a": TUNED, "bb": TUNED}, Part.VALIDATION, range(2))  # type: ignore[arg-type]
    assert [(s.task, s.seed) for s in scores] == [("a", 0), ("a", 1), ("bb", 0), ("bb", 1)]


@pytest.mark.parametrize("subjects", [[], [ADAMW], [ADAMW, ADAMW]])
def test_there_are_as_many_answers_as_subjects(subjects: list[Subject]) -> None:
    assert len(evaluate_all(FakePool(), subjects, ["a"], Part.TEST, range(1))) == len(subjects)  # type: ignore[arg-type]


def test_a_job_is_yielded_before_the_others_have_ended() -> None:
    pool = FakePool()
    next(run_jobs(pool, [Job(ADAMW, (("a", 0, Part.TEST),))] * 9))  # type: ignore[arg-type]
    assert pool._waiting


def test_jobs_are_given_out_as_there_is_room_until_they_are_to_stop() -> None:
    """What is under way then is finished; the rest never begins."""
    pool = FakePool()
    jobs = [Job(SUBJECTS[0], (("a", seed, Part.TEST),)) for seed in range(40)]
    found: dict[int, tuple[Score, ...]] = {}
    for number, scores in run_jobs(pool, jobs, should_stop=lambda: len(found) >= 10):  # type: ignore[arg-type]
        found[number] = scores
        assert len(pool._waiting) <= pool.capacity
    assert 10 <= len(found) <= 10 + 2 * pool.capacity
    assert all(found[number] == (score(SUBJECTS[0], "a", number, Part.TEST),) for number in found)
