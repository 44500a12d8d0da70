"""What is done with a batch of jobs: who is trained beside whom, which subject goes on, where a job ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.work import work

ADAMW, LION = library_program("adamw"), library_program("lion")
FAILS = parse("def train(w, g, lr):\n    return lr")
DIVES = parse("def train(w, g, lr):\n    return g")
HALF, QUARTER = (parse(f"def train(w, g, lr):\n    update = g * {c}\n    return update") for c in (0.5, 0.25))
PROGRAMS = [ADAMW, LION, FAILS, HALF, QUARTER, DIVES]
LOSSES: dict[Subject, float] = {HALF: 0.5, QUARTER: 0.25}
"""By program, for each unit of the seed's number; 1 for the others."""


class FakeTraining:
    """Notes what it is asked: task, part, seeds, and programs by number; the loss tells program and seed.

    ``FAILS`` fails on its second seed of those that are asked for at once, ``DIVES`` on each.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, subjects: Sequence[Subject], samples: Sequence[Sample]) -> list[list[Score]]:
        ((task, part),) = {(task, part) for task, _, part in samples}
        who = [PROGRAMS.index(s) if isinstance(s, Program) else s for s in subjects]
        self.asked.append((task, part, [seed for _, seed, _ in samples], who))
        return [self._scores(subject, samples) for subject in subjects]

    @staticmethod
    def _scores(subject: Subject, samples: Sequence[Sample]) -> list[Score]:
        loss = LOSSES.get(subject, 1.0)
        ok = [Score(task, part, seed, Status.OK, loss * seed, 1, 0.0) for task, seed, part in samples]
        num_ok = {DIVES: 0, FAILS: 1}.get(subject, len(ok))  # type: ignore[call-overload]
        bad = [replace(score, status=Status.DIVERGED, loss=None) for score in ok[num_ok : num_ok + 1]]
        return ok[:num_ok] + bad


def samples(task: str, part: Part, *seeds: int) -> tuple[Sample, ...]:
    return tuple((task, seed, part) for seed in seeds)


A, B = samples("a", Part.TEST, 1, 2), samples("b", Part.TEST, 1, 2)
VALIDATION = samples("a", Part.VALIDATION, 2, 3)


def told(result: JobResult) -> list[Sample]:
    return [(s.task, s.seed, s.part) for s in result.scores]


def statuses(result: JobResult) -> list[Status]:
    return [score.status for score in result.scores]


def losses(result: JobResult) -> list[float | None]:
    return [score.loss for score in result.scores]


SGD, OTHER = "optax:sgd?learning_rate=0.3", "optax:lion?learning_rate=1"
BESIDE: dict[str, tuple[list[Job], list[tuple[Any, ...]]]] = {
    "the same samples": (
        [Job(program, (*A, *B)) for program in (ADAMW, LION, HALF)],
        [("a", Part.TEST, [1, 2], [0, 1, 3]), ("b", Part.TEST, [1, 2], [0, 1, 3])],
    ),
    "other samples": (
        [Job(ADAMW, A), Job(LION, A[:1]), Job(ADAMW, VALIDATION)],
        [("a", Part.TEST, [1, 2], [0]), ("a", Part.TEST, [1], [1]), ("a", Part.VALIDATION, [2, 3], [0])],
    ),
    "each part of a task for itself": (
        [Job(ADAMW, (*A, *VALIDATION))],
        [("a", Part.TEST, [1, 2], [0]), ("a", Part.VALIDATION, [2, 3], [0])],
    ),
    "programs and others": (
        [Job(SGD, A), Job(ADAMW, A), Job(OTHER, A), Job(LION, A)],
        [("a", Part.TEST, [1, 2], [SGD, 0, OTHER, 1])],
    ),
    "those that meet at a later task": (
        [Job(ADAMW, (*A, *B)), Job(LION, (*A[:1], *B))],
        [("a", Part.TEST, [1, 2], [0]), ("a", Part.TEST, [1], [1]), ("b", Part.TEST, [1, 2], [0, 1])],
    ),
    "no jobs": ([], []),
    "jobs without samples": ([Job(ADAMW, ()), Job(ADAMW, A)], [("a", Part.TEST, [1, 2], [0])]),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_has_the_same_samples_is_trained_in_one_call(case: str) -> None:
    jobs, asked = BESIDE[case]
    training = FakeTraining()
    results = work(jobs, training)
    assert sorted(map(str, training.asked)) == sorted(map(str, asked))
    assert [told(result) for result in results] == [list(job.samples) for job in jobs]


@pytest.mark.parametrize(
    ("job_samples", "trained"),
    [((*A, *B), A), ((*samples("a", Part.TEST, 1, 2, 3), *B), A)],
    ids=["on the last sample of a task", "before"],
)
def test_a_job_ends_at_its_first_failure_and_the_others_go_on(
    job_samples: tuple[Sample, ...], trained: tuple[Sample, ...]
) -> None:
    training = FakeTraining()
    failed, other = work([Job(FAILS, job_samples), Job(ADAMW, job_samples)], training)
    assert (told(failed), statuses(failed)) == (list(trained), [Status.OK, Status.DIVERGED])
    assert told(other) == list(job_samples)
    assert [(task, who) for task, _, _, who in training.asked] == [("a", [2, 0]), ("b", [0])]


# Alternatives and hurdles.


def result_of(job: Job) -> tuple[JobResult, list[tuple[Any, ...]]]:
    training = FakeTraining()
    (result,) = work([job], training)
    return result, training.asked


def test_the_subject_of_the_lowest_first_loss_is_trained_on_the_rest() -> None:
    result, asked = result_of(Job(ADAMW, (*A, *B), (HALF, QUARTER, LION)))
    assert asked == [
        ("a", Part.TEST, [1], [0, 3, 4, 1]),
        ("a", Part.TEST, [2], [4]),
        ("b", Part.TEST, [1, 2], [4]),
    ]
    assert (result.chosen, told(result), losses(result)) == (2, [*A, *B], [0.25, 0.5, 0.25, 0.5])


def test_the_first_scores_of_what_was_not_chosen_are_told_with_their_places() -> None:
    result, _ = result_of(Job(ADAMW, A, (HALF, DIVES)))
    assert [(place, s.seed, s.status, s.loss) for place, s in result.others] == [
        (0, 1, Status.OK, 1.0),
        (2, 1, Status.DIVERGED, None),
    ]


@pytest.mark.parametrize(
    ("subject", "alternatives", "chosen", "found"),
    [
        (HALF, (HALF, ADAMW), 0, [Status.OK] * 2),
        (DIVES, (DIVES, DIVES), 0, [Status.DIVERGED]),
        (DIVES, (ADAMW,), 1, [Status.OK] * 2),
        (ADAMW, (), 0, [Status.OK] * 2),
    ],
    ids=["of equals the first", "if all fail the subject", "one that does not fail", "without a choice"],
)
def test_who_is_chosen(
    subject: Program, alternatives: tuple[Program, ...], chosen: int, found: list[Status]
) -> None:
    result, _ = result_of(Job(subject, A, alternatives))
    assert (result.chosen, statuses(result)) == (chosen, found)
    assert [place for place, _ in result.others] == [i for i in range(1 + len(alternatives)) if i != chosen]


def test_a_first_loss_above_the_hurdle_ends_the_training() -> None:
    result, asked = result_of(Job(ADAMW, (*A, *B), max_first_loss=0.75))
    (score,) = result.scores
    assert (score.status, score.loss, score.num_steps) == (Status.STOPPED, 1.0, 1)
    assert score.reason == "a first loss of 1 does not pass the hurdle of 0.75"
    assert asked == [("a", Part.TEST, [1], [0])]


@pytest.mark.parametrize("hurdle", [0.5, 0.75])
def test_a_first_loss_at_or_below_the_hurdle_goes_on(hurdle: float) -> None:
    """Only the first: the second is 1.0."""
    result, _ = result_of(Job(HALF, A, max_first_loss=hurdle))
    assert (statuses(result), losses(result)) == ([Status.OK, Status.OK], [0.5, 1.0])


@pytest.mark.parametrize(("hurdle", "found"), [(0.5, [Status.OK] * 2), (0.4, [Status.STOPPED])])
def test_the_hurdle_is_for_the_best_of_the_alternatives(hurdle: float, found: list[Status]) -> None:
    result, _ = result_of(Job(ADAMW, A, (HALF,), max_first_loss=hurdle))
    assert (result.chosen, statuses(result)) == (1, found)


def test_a_program_that_fails_before_the_hurdle_has_its_own_failure() -> None:
    result, _ = result_of(Job(DIVES, A, max_first_loss=0.5))
    assert statuses(result) == [Status.DIVERGED]


def test_first_samples_of_all_jobs_with_a_choice_are_trained_in_one_call() -> None:
    training = FakeTraining()
    work([Job(ADAMW, A, (HALF,)), Job(QUARTER, A, max_first_loss=9.0), Job(LION, A)], training)
    assert training.asked == [
        ("a", Part.TEST, [1], [0, 3, 4]),
        ("a", Part.TEST, [2], [3, 4]),
        ("a", Part.TEST, [1, 2], [1]),
    ]
