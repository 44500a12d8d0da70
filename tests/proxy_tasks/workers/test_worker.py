"""A worker through the real evaluators; what it does with a batch of jobs is in `test_work.py`."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from lion_search.dsl import functions
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.library import library_program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.training.evaluator import LOOPS, evaluator
from lion_search.proxy_tasks.training.optax_rules import OptimizerError, read_optax
from lion_search.proxy_tasks.workers.worker import make_worker

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


def test_a_job_may_be_of_several_tasks_seeds_and_parts() -> None:
    (scores,) = train(Job(SGD, MIXED))
    assert [(s.task, s.seed, s.part) for s in scores] == list(MIXED)
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


def test_a_failure_on_one_task_spares_the_next() -> None:
    """Steps of 1e38 leave float32 on the first task."""
    job = Job("optax:sgd?learning_rate=1.5e38", (*samples(SLOPE, Part.TEST, 1, 2), *MIXED))
    (scores,) = train(job)
    assert [(s.task, s.seed, s.status) for s in scores] == [(SLOPE, 1, Status.DIVERGED)]


def test_a_worker_runs_programs_in_the_mode_it_is_told() -> None:
    job = Job(parse("def train(w, g, lr):\n    u = g * lr\n    return u"), samples(TINY, Part.TEST, 1))
    before = set(LOOPS.kept())
    make_worker(mode="compiled")([job])
    assert {key[0] for _, key, _ in set(LOOPS.kept()) - before} == {"compiled"}
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


def test_each_task_is_tried_when_the_worker_starts() -> None:
    """So that its interpreter is compiled, and a task that cannot be used is found."""
    task = "own_tasks:tiny?steps=3"
    make_worker(tasks=[task])
    (key,) = [key for key in LOOPS.kept() if key[0] is evaluator(task, None)]
    assert LOOPS.find(key, make=pytest.fail)._function._cache_size() == 1


def test_losses_do_not_depend_on_whether_there_was_a_choice() -> None:
    """The first sample alone, then the others, as all at once."""
    many = samples(TINY, Part.VALIDATION, 1, 2, 3)
    plain, gated = make_worker()([Job(ADAMW, many), Job(ADAMW, many, max_first_loss=1e30)])
    assert [s.loss for s in gated.scores] == [s.loss for s in plain.scores]


def test_jobs_and_scores_travel_between_processes() -> None:
    score = Score("a", Part.TEST, 1, Status.OK, 0.5, 20, 0.1)
    for subject in (ADAMW, SGD, load_baselines("digits_mlp").baselines["lion"]):
        job, result = Job(subject, MIXED), JobResult((score,), 1, ((0, score),))
        assert pickle.loads(pickle.dumps((job, result))) == (job, result)


def test_describing_a_job_does_not_import_jax() -> None:
    """So that a worker's environment can be set before."""
    code = "import sys, lion_search.proxy_tasks.workers.worker; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
