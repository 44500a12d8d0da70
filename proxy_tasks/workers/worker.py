"""What a worker process does: evaluate batches of jobs. Imports JAX only when it is built."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.functions import load_function
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.cache import cache_folder
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status


def make_worker(
    own_functions: Sequence[str] = (), tasks: Sequence[str] = (), mode: str | None = None
) -> Callable[[Sequence[Job]], list[JobResult]]:
    """The function that evaluates a batch of jobs in this process.

    Args:
        own_functions: rows to add to the language first, ``module:name`` each.
        tasks: tasks whose interpreter is compiled now, while the other workers start too, and not when the
            first job comes.
        mode: how programs are run; by default what is fastest for each task.

    Raises:
        LionSearchError: a task or function cannot be used.
    """
    for reference in own_functions:
        load_function(reference)
    worker = _Worker(mode)
    adamw = canonicalise(library_program("adamw")).program()
    worker([Job(adamw, ((task, 0, Part.VALIDATION),)) for task in tasks])
    return worker


class _Worker:
    """Evaluates batches of jobs."""

    def __init__(self, mode: str | None) -> None:
        from lion_search.proxy_tasks.training.modes import Mode

        self._mode = Mode(mode) if mode else None

    def __call__(self, jobs: Sequence[Job]) -> list[JobResult]:
        firsts = self._first_scores(jobs)
        results = [_choose(job, firsts[i]) if i in firsts else JobResult(()) for i, job in enumerate(jobs)]
        rest = [
            Job(job.subjects[result.chosen], _left(job, result))
            for job, result in zip(jobs, results, strict=True)
        ]
        return [
            replace(result, scores=result.scores + more)
            for result, more in zip(results, self._train(rest), strict=True)
        ]

    def _first_scores(self, jobs: Sequence[Job]) -> dict[int, list[Score]]:
        """For each job that has a choice or a hurdle, the first score of each of its subjects."""
        gated = [i for i, job in enumerate(jobs) if job.alternatives or job.max_first_loss is not None]
        firsts = [Job(subject, jobs[i].samples[:1]) for i in gated for subject in jobs[i].subjects]
        scores = iter(self._train(firsts))
        return {i: [next(scores)[0] for _ in jobs[i].subjects] for i in gated}

    def _train(self, jobs: Sequence[Job]) -> list[tuple[Score, ...]]:
        """Trains subjects on all samples, each until its first failure."""
        scores: list[list[Score]] = [[] for _ in jobs]
        waiting = [i for i, job in enumerate(jobs) if job.samples]
        while waiting:
            for group in self._groups(jobs, scores, waiting):
                self._evaluate(jobs, scores, group)
            waiting = [
                i for i in waiting
                if scores[i][-1].status is Status.OK and len(scores[i]) < len(jobs[i].samples)
            ]  # fmt: skip
        return [tuple(own) for own in scores]

    @staticmethod
    def _groups(jobs: Sequence[Job], scores: list[list[Score]], waiting: list[int]) -> list[list[int]]:
        """Jobs whose next samples are the same, which may be trained in step."""
        groups: dict[Any, list[int]] = {}
        for index in waiting:
            job = jobs[index]
            following = _same_task(job.samples[len(scores[index]) :])
            is_program = isinstance(job.subject, Program)
            groups.setdefault((following, None if is_program else index), []).append(index)
        return list(groups.values())

    def _evaluate(self, jobs: Sequence[Job], scores: list[list[Score]], group: list[int]) -> None:
        """Trains a group on its next samples, all of one task and part."""
        from lion_search.proxy_tasks.training.evaluator import evaluator

        following = _same_task(jobs[group[0]].samples[len(scores[group[0]]) :])
        task, _, part = following[0]
        seeds = [seed for _, seed, _ in following]
        found = evaluator(task, self._mode)
        programs = [subject for i in group if isinstance(subject := jobs[i].subject, Program)]
        if programs:
            results = found.evaluate_programs(programs, part, seeds)
        else:
            results = [found.evaluate(_optimizer(jobs[group[0]].subject), part, seeds)]
        for index, own in zip(group, results, strict=True):
            scores[index] += own


def _choose(job: Job, firsts: Sequence[Score]) -> JobResult:
    """The subject of the lowest first loss, if it passes the hurdle; the first one if all failed."""
    losses = [math.inf if score.loss is None else score.loss for score in firsts]
    chosen = min(range(len(losses)), key=losses.__getitem__)
    score = firsts[chosen]
    limit = job.max_first_loss
    if score.loss is not None and limit is not None and score.loss > limit:
        reason = f"a first loss of {score.loss:.6g} does not pass the hurdle of {limit:.6g}"
        score = replace(score, status=Status.STOPPED, reason=reason)
    others = tuple((place, other) for place, other in enumerate(firsts) if place != chosen)
    return JobResult((score,), chosen, others)


def _left(job: Job, result: JobResult) -> tuple[Sample, ...]:
    """The samples a job still has to be trained on."""
    if any(score.status is not Status.OK for score in result.scores):
        return ()
    return job.samples[len(result.scores) :]


def _same_task(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The first samples, as far as they are of one task and part."""
    task, _, part = samples[0]
    return tuple(itertools.takewhile(lambda s: (s[0], s[2]) == (task, part), samples))


def _optimizer(subject: Subject) -> Any:
    if isinstance(subject, str):
        from lion_search.proxy_tasks.training.optax_rules import read_optax

        return read_optax(subject)
    assert isinstance(subject, Baseline)
    return subject.optimizer()


WORKER_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "JAX_PLATFORMS": "cpu",
        # One core a worker. The inner loops of the interpreter become one native function each below this
        # many bytes of buffers, which takes 20 to 40 % off a candidate's time; the outer training loop must
        # stay above it, since its matrix products are much slower that way.
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false "
        "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=3000000",
        # Runs in the calling thread: handing each training to another thread costs two cores up to 40 %.
        "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",
        "NPROC": "1",  # the size of XLA's thread pools
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
)
"""Environment of a worker process, set before it imports JAX."""


def worker_environment() -> dict[str, str]:
    """``WORKER_ENVIRONMENT``, and where compiled training loops are kept: a second run starts at once.

    The folder is in the user's cache, at most a gigabyte, and code compiled for another processor lies in
    another folder. A ``JAX_COMPILATION_CACHE_DIR`` that is set is used instead, as it is.
    """
    environment = {**WORKER_ENVIRONMENT, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5"}
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(cache_folder() / "compiled" / _processor_digest())
        environment["JAX_COMPILATION_CACHE_MAX_SIZE"] = str(2**30)  # what was used longest ago goes first
    return environment


def _processor_digest() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.machine(), platform.processor()]
    kept = sorted({line for line in lines if not line.startswith(_CHANGING)})
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


_CHANGING = (
    "processor",
    "core id",
    "apicid",
    "initial apicid",
    "cpu MHz",
    "bogomips",
    "physical id",
    "siblings",
    "cpu cores",
)
"""What differs between the cores of one machine, or from moment to moment."""


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
