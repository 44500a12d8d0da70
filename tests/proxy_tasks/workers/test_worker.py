"""What a worker does with a batch of jobs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lion_search.dsl import functions
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.training import evaluator as evaluate
from lion_search.proxy_tasks.training.evaluator import evaluator
from lion_search.proxy_tasks.training.modes import Mode
from lion_search.proxy_tasks.training.optax_rules import OptimizerError, read_optax
from lion_search.proxy_tasks.workers import worker
from lion_search.proxy_tasks.workers.worker import (
    WORKER_ENVIRONMENT,
    make_worker,
    usable_cores,
    worker_environment,
)

ADAMW = library_program("adamw")
NAN = parse("def train(w, g, lr):\n    update = arcsin(5.0)\n    return update")
SGD = "optax:sgd?learning_rate=0.3"
TINY, SLOPE = "own_tasks:tiny", "own_tasks:slope"


def samples(task: str, part: Part, *seeds: int) -> tuple[Sample, ...]:
    return tuple((task, seed, part) for seed in seeds)


MIXED = (
    *samples(TINY, Part.VALIDATION, 1, 2),
    *samples(SLOPE, Part.VALIDATION, 3),
    *samples(TINY, Part.TEST, 1),
)


def train(*jobs: Job) -> list[tuple[Score, ...]]:
    """The scores of each job."""
    return [result.scores for result in make_worker()(jobs)]


def told(scores: Sequence[Score]) -> list[Sample]:
    return [(s.task, s.seed, s.part) for s in scores]


# Through the real evaluators.


def test_a_job_may_be_of_several_tasks_seeds_and_parts() -> None:
    (scores,) = train(Job(SGD, MIXED))
    assert told(scores) == list(MIXED)
    assert {s.status for s in scores} == {Status.OK}
    optimizer = read_optax(SGD)
    expected = [evaluator(task, None).evaluate(optimizer, part, [seed])[0] for task, seed, part in MIXED]
    assert [s.loss for s in scores] == [s.loss for s in expected]


def test_each_job_gets_its_own_scores_in_order() -> None:
    """Of programs, a baseline and optax references, one of which fails."""
    sample = samples(TINY, Part.VALIDATION, 1)
    baseline = load_baselines("digits_mlp").baselines["sgd"]
    subjects = [NAN, SGD, ADAMW, baseline, "optax:sgd?learning_rate=1e38"]
    found = train(*[Job(subject, sample) for subject in subjects])
    one = evaluator(TINY, None)
    expected = [
        one.evaluate(subject, Part.VALIDATION, [1])[0]
        for subject in (
            NAN,
            read_optax(SGD),
            ADAMW,
            baseline.optimizer(),
            read_optax("sgd?learning_rate=1e38"),
        )
    ]
    assert [replace(s, seconds=0) for (s,) in found] == [replace(s, seconds=0) for s in expected]
    assert [s.status for (s,) in found] == [
        Status.DIVERGED,
        Status.OK,
        Status.OK,
        Status.OK,
        Status.DIVERGED,
    ]


def test_a_job_ends_at_its_first_failure_and_the_others_go_on() -> None:
    first, second = train(Job(NAN, samples(TINY, Part.TEST, 5, 6)), Job(SGD, MIXED))
    assert told(first) == [(TINY, 5, Part.TEST)]
    assert len(second) == len(MIXED)


def test_a_failure_on_one_task_spares_the_next() -> None:
    """Steps of 1e38 leave float32 on the first task."""
    job = Job("optax:sgd?learning_rate=1.5e38", (*samples(SLOPE, Part.TEST, 1, 2), *MIXED))
    (scores,) = train(job)
    assert [(s.task, s.seed, s.status) for s in scores] == [(SLOPE, 1, Status.DIVERGED)]


def test_a_worker_runs_programs_in_the_mode_it_is_told() -> None:
    job = Job(parse("def train(w, g, lr):\n    u = g * lr\n    return u"), samples(TINY, Part.TEST, 1))
    before = set(evaluator(TINY, Mode.COMPILED)._compiled)
    make_worker(mode="compiled")([job])
    assert {key[0][0] for key in set(evaluator(TINY, Mode.COMPILED)._compiled) - before} == {"compiled"}
    with pytest.raises(ValueError, match="'fast' is not a valid Mode"):
        make_worker(mode="fast")


def test_a_task_that_cannot_be_used_is_told_when_the_worker_starts() -> None:
    with pytest.raises(LionSearchError, match="did you mean 'digits_mlp'"):
        make_worker(tasks=["digit_mlp"])


def test_an_optimizer_that_cannot_be_scored_is_an_error() -> None:
    with pytest.raises(OptimizerError, match="did you mean 'sgd'"):
        make_worker()([Job("optax:sdg", samples(TINY, Part.TEST, 1))])


def test_a_users_own_functions_are_added_first() -> None:
    table = dict(functions._TABLE)
    try:
        make_worker(own_functions=["own_tasks:DOUBLED"])
        assert functions.FUNCTIONS["doubled"].arity == 1
    finally:
        functions._TABLE.clear()
        functions._TABLE.update(table)


# Who is trained beside whom.


class FakeEvaluator:
    """Notes what it is asked; the loss tells program and seed.

    ``FAILS`` fails on its second seed of those that are asked for together, ``DIVES`` on each.
    """

    asked: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, task: str, mode: Mode | None) -> None:
        self._task = task

    def evaluate_programs(self, programs: Sequence[Program], part: Part, seeds: Sequence[int]) -> list:
        self.asked.append((self._task, part, list(seeds), [PROGRAMS.index(p) for p in programs]))
        return [self._scores(program, part, seeds) for program in programs]

    def evaluate(self, subject: Any, part: Part, seeds: Sequence[int]) -> tuple[Score, ...]:
        self.asked.append((self._task, part, list(seeds), subject.family))
        return self._scores(subject, part, seeds)

    def _scores(self, subject: Any, part: Part, seeds: Sequence[int]) -> tuple[Score, ...]:
        loss = LOSSES.get(subject, 1.0)
        ok = tuple(Score(self._task, part, seed, Status.OK, loss * seed, 1, 0.0) for seed in seeds)
        if subject == DIVES:
            return (replace(ok[0], status=Status.DIVERGED, loss=None),)
        if subject != FAILS:
            return ok
        return (*ok[:1], *(replace(score, status=Status.DIVERGED, loss=None) for score in ok[1:2]))


FAILS = parse("def train(w, g, lr):\n    return lr")
DIVES = parse("def train(w, g, lr):\n    return g")
HALF, QUARTER = (parse(f"def train(w, g, lr):\n    update = g * {c}\n    return update") for c in (0.5, 0.25))
PROGRAMS = [ADAMW, library_program("lion"), FAILS, canonicalise(ADAMW).program(), HALF, QUARTER, DIVES]
LOSSES = {HALF: 0.5, QUARTER: 0.25}
"""By program, for each unit of the seed's number; 1 for the others."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    monkeypatch.setattr(evaluate, "evaluator", FakeEvaluator)
    monkeypatch.setattr(FakeEvaluator, "asked", [])
    return FakeEvaluator.asked


A, B = samples("a", Part.TEST, 1, 2), samples("b", Part.TEST, 1, 2)


def test_programs_with_the_same_samples_are_trained_together(asked: list[tuple[Any, ...]]) -> None:
    found = train(*[Job(program, (*A, *B)) for program in PROGRAMS[:3]])
    assert asked == [("a", Part.TEST, [1, 2], [0, 1, 2]), ("b", Part.TEST, [1, 2], [0, 1])]
    assert [told(scores) for scores in found] == [[*A, *B], [*A, *B], [*A]]


def test_programs_with_other_samples_are_trained_apart(asked: list[tuple[Any, ...]]) -> None:
    jobs = [Job(ADAMW, A), Job(PROGRAMS[1], A[:1]), Job(ADAMW, samples("a", Part.VALIDATION, 1, 2))]
    found = train(*jobs)
    assert asked == [
        ("a", Part.TEST, [1, 2], [0]),
        ("a", Part.TEST, [1], [1]),
        ("a", Part.VALIDATION, [1, 2], [0]),
    ]
    assert [told(scores) for scores in found] == [list(job.samples) for job in jobs]


def test_each_part_of_a_task_is_scored_for_itself(asked: list[tuple[Any, ...]]) -> None:
    job = Job(ADAMW, (*A, *samples("a", Part.VALIDATION, 2, 3)))
    (scores,) = train(job)
    assert [(part, seeds) for _, part, seeds, _ in asked] == [(Part.TEST, [1, 2]), (Part.VALIDATION, [2, 3])]
    assert told(scores) == list(job.samples)


def test_other_optimizers_are_trained_each_for_itself(asked: list[tuple[Any, ...]]) -> None:
    found = train(Job(SGD, A), Job(ADAMW, A), Job("optax:lion?learning_rate=1", A))
    assert [(task, who) for task, _, _, who in asked] == [("a", "sgd"), ("a", [0]), ("a", "lion")]
    assert [told(scores) for scores in found] == [list(A)] * 3


def test_programs_that_meet_at_a_later_task_are_trained_together_there(asked: list[tuple[Any, ...]]) -> None:
    make_worker()([Job(ADAMW, (*A, *B)), Job(PROGRAMS[1], (*A[:1], *B))])
    assert asked[-1] == ("b", Part.TEST, [1, 2], [0, 1])


def test_a_job_that_failed_is_given_no_other_task(asked: list[tuple[Any, ...]]) -> None:
    (scores,) = train(Job(FAILS, (*A, *B)))
    assert [s.status for s in scores] == [Status.OK, Status.DIVERGED]
    assert [task for task, *_ in asked] == ["a"]


def test_a_job_that_failed_on_its_last_sample_of_a_task_is_not_tried_again(
    asked: list[tuple[Any, ...]],
) -> None:
    (scores,) = train(Job(FAILS, (*samples("a", Part.TEST, 1, 2, 3), *B)))
    assert told(scores) == list(A)


def test_no_jobs_and_jobs_without_samples_have_no_scores(asked: list[tuple[Any, ...]]) -> None:
    assert make_worker()([]) == []
    assert train(Job(ADAMW, ()), Job(ADAMW, A))[0] == ()


def test_each_task_is_tried_when_the_worker_starts(asked: list[tuple[Any, ...]]) -> None:
    """So that its interpreter is compiled, and a task that cannot be used is found."""
    make_worker(tasks=["a", "b"])
    assert asked == [("a", Part.VALIDATION, [0], [3]), ("b", Part.VALIDATION, [0], [3])]


# Alternatives and hurdles.


def test_the_subject_of_the_lowest_first_loss_is_trained_on_the_rest(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(ADAMW, (*A, *B), (HALF, QUARTER, PROGRAMS[1]))])
    assert asked == [
        ("a", Part.TEST, [1], [0, 4, 5, 1]),
        ("a", Part.TEST, [2], [5]),
        ("b", Part.TEST, [1, 2], [5]),
    ]
    assert result.chosen == 2
    assert told(result.scores) == [*A, *B]
    assert [s.loss for s in result.scores] == [0.25, 0.5, 0.25, 0.5]


def test_the_first_scores_of_what_was_not_chosen_are_told_with_their_places(
    asked: list[tuple[Any, ...]],
) -> None:
    (result,) = make_worker()([Job(ADAMW, A, (HALF, DIVES))])
    assert result.chosen == 1
    assert [(place, s.seed, s.status, s.loss) for place, s in result.others] == [
        (0, 1, Status.OK, 1.0),
        (2, 1, Status.DIVERGED, None),
    ]


def test_of_equal_first_losses_the_first_is_chosen(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(HALF, A, (HALF, ADAMW))])
    assert result.chosen == 0


def test_if_all_fail_the_subjects_own_failure_is_told(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(DIVES, A, (DIVES, DIVES))])
    assert (result.chosen, [s.status for s in result.scores]) == (0, [Status.DIVERGED])
    assert [place for place, _ in result.others] == [1, 2]


def test_an_alternative_saves_a_subject_that_fails_at_once(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(DIVES, A, (ADAMW,))])
    assert (result.chosen, [s.status for s in result.scores]) == (1, [Status.OK, Status.OK])


def test_a_job_without_a_choice_has_chosen_its_subject(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(ADAMW, A)])
    assert (result.chosen, result.others) == (0, ())


def test_a_first_loss_above_the_hurdle_ends_the_training(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(ADAMW, (*A, *B), max_first_loss=0.75)])
    (score,) = result.scores
    assert (score.status, score.loss, score.num_steps) == (Status.STOPPED, 1.0, 1)
    assert score.reason == "a first loss of 1 does not pass the hurdle of 0.75"
    assert asked == [("a", Part.TEST, [1], [0])]


@pytest.mark.parametrize("hurdle", [0.5, 0.75])
def test_a_first_loss_at_or_below_the_hurdle_goes_on(asked: list[tuple[Any, ...]], hurdle: float) -> None:
    """Only the first: the second is 1.0."""
    (result,) = make_worker()([Job(HALF, A, max_first_loss=hurdle)])
    assert [(s.status, s.loss) for s in result.scores] == [(Status.OK, 0.5), (Status.OK, 1.0)]


def test_the_hurdle_is_for_the_best_of_the_alternatives(asked: list[tuple[Any, ...]]) -> None:
    passing, stopped = make_worker()(
        [Job(ADAMW, A, (HALF,), max_first_loss=0.5), Job(ADAMW, A, (HALF,), max_first_loss=0.4)]
    )
    assert (passing.chosen, len(passing.scores)) == (1, 2)
    assert (stopped.chosen, [s.status for s in stopped.scores]) == (1, [Status.STOPPED])


def test_a_program_that_fails_before_the_hurdle_has_its_own_failure(asked: list[tuple[Any, ...]]) -> None:
    (result,) = make_worker()([Job(DIVES, A, max_first_loss=0.5)])
    assert [s.status for s in result.scores] == [Status.DIVERGED]


def test_first_samples_of_all_jobs_of_a_batch_are_trained_together(asked: list[tuple[Any, ...]]) -> None:
    make_worker()([Job(ADAMW, A, (HALF,)), Job(QUARTER, A, max_first_loss=9.0), Job(PROGRAMS[1], A)])
    assert asked == [
        ("a", Part.TEST, [1], [0, 4, 5]),
        ("a", Part.TEST, [2], [4, 5]),
        ("a", Part.TEST, [1, 2], [1]),
    ]


def test_losses_do_not_depend_on_whether_there_was_a_choice() -> None:
    """Through the real evaluator: the first sample alone, then the others, as all together."""
    many = samples(TINY, Part.VALIDATION, 1, 2, 3)
    plain, gated = make_worker()([Job(ADAMW, many), Job(ADAMW, many, max_first_loss=1e30)])
    assert [s.loss for s in gated.scores] == [s.loss for s in plain.scores]


# Its process.


def test_jobs_and_scores_travel_between_processes() -> None:
    score = Score("a", Part.TEST, 1, Status.OK, 0.5, 20, 0.1)
    for job in (Job(ADAMW, MIXED), Job(SGD, MIXED), Job(load_baselines("digits_mlp").baselines["lion"], A)):
        result = JobResult((score,), 1, ((0, score),))
        assert pickle.loads(pickle.dumps((job, result))) == (job, result)


def test_describing_a_job_does_not_import_jax() -> None:
    """So that a worker's environment can be set before."""
    code = "import sys, lion_search.proxy_tasks.workers.worker; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_computes_on_one_core() -> None:
    assert WORKER_ENVIRONMENT["NPROC"] == WORKER_ENVIRONMENT["OMP_NUM_THREADS"] == "1"
    assert "--xla_cpu_multi_thread_eigen=false" in WORKER_ENVIRONMENT["XLA_FLAGS"].split()
    assert WORKER_ENVIRONMENT["JAX_PLATFORMS"] == "cpu"
    assert WORKER_ENVIRONMENT.items() <= worker_environment().items()


def test_compiled_code_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    folder = Path(worker_environment()["JAX_COMPILATION_CACHE_DIR"])
    assert folder.parent == Path("/somewhere/lion-search/compiled")
    assert folder.name == Path(worker_environment()["JAX_COMPILATION_CACHE_DIR"]).name


def test_a_users_own_place_for_compiled_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert {**os.environ, **worker_environment()}["JAX_COMPILATION_CACHE_DIR"] == "/mine"
    assert "JAX_COMPILATION_CACHE_MAX_SIZE" not in worker_environment(), "nor is it emptied"


class FakePath:
    """``/proc/cpuinfo`` of another machine, or none."""

    def __init__(self, content: str | None) -> None:
        self._content = content

    def __call__(self, path: str) -> FakePath:
        return self

    def read_text(self) -> str:
        if self._content is None:
            raise FileNotFoundError
        return self._content


CORE = "processor\t: {0}\nmodel name\t: {1}\ncpu MHz\t\t: {0}234.5\ncore id\t\t: {0}\nflags\t\t: fpu {2}\n"


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (CORE.format(0, "A", "avx2") + CORE.format(1, "A", "avx2"), True),
        (CORE.format(7, "A", "avx2"), True),
        (CORE.format(0, "A", "avx2 avx512f"), False),
        (CORE.format(0, "B", "avx2"), False),
    ],
    ids=["one more core", "another core", "other instructions", "another model"],
)
def test_code_for_another_processor_lies_elsewhere(
    monkeypatch: pytest.MonkeyPatch, other: str, is_same: bool
) -> None:
    found = []
    for content in (CORE.format(0, "A", "avx2"), other):
        monkeypatch.setattr(worker, "Path", FakePath(content))
        found.append(worker._processor_digest())
    assert (found[0] == found[1]) is is_same


def test_a_system_without_cpuinfo_has_a_place_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "Path", FakePath(None))
    assert len(worker._processor_digest()) == 16


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system does not bind processes to cores"
)
def test_usable_cores_are_those_this_process_is_bound_to() -> None:
    mine = os.sched_getaffinity(0)
    assert usable_cores() == len(mine)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, mine)
