"""What a worker process does: evaluate batches of jobs. Imports JAX only when it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.functions import load_function
from lion_search.dsl.imports import take_over
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import CurveJob, Job, Payload, PayloadResult, Sample, Subject
from lion_search.proxy_tasks.scores import Curve, Part, Score, one_line
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import failure_of
from lion_search.proxy_tasks.workers.work import Train, work


def make_worker(
    own_functions: Sequence[str] = (),
    tasks: Sequence[str] = (),
    mode: str | None = None,
    code: bytes | None = None,
) -> Callable[[Sequence[Payload]], list[PayloadResult]]:
    """The function that evaluates a batch of jobs in this process.

    Args:
        own_functions: rows to add to the language first, ``module:name`` each.
        tasks: tasks whose interpreter is compiled now, while the other workers start too, and not when the
            first job comes.
        mode: how programs are run; by default what is fastest for each task.
        code: the user's, where another process hands it over; see `hand_over`.

    Raises:
        LionSearchError: a task or function cannot be used.
    """
    if code is not None:
        take_over(code)
    for reference in own_functions:
        load_function(reference)
    train, curve = _evaluators(mode)

    def worker(payloads: Sequence[Payload]) -> list[PayloadResult]:
        found = iter(work([job for job in payloads if isinstance(job, Job)], train))
        return [next(found) if isinstance(job, Job) else curve(job) for job in payloads]

    adamw = canonicalise(library_program("adamw")).program()
    for task in tasks:
        try:
            worker([Job(adamw, ((task, 0, Part.VALIDATION),))])
        except LionSearchError:
            raise
        except Exception as error:  # whatever a user's task does when it is trained
            reason = one_line(failure_of(error).reason)
            raise TaskError(f"task '{task}' cannot be trained, not even with AdamW: {reason}") from error
    return worker


def _evaluators(mode: str | None) -> tuple[Train, Callable[[CurveJob], Curve]]:
    """Training by this process's evaluators, and training that is looked at on the way."""
    from lion_search.proxy_tasks.training.evaluator import Evaluator, evaluator
    from lion_search.proxy_tasks.training.modes import Mode

    chosen = Mode(mode) if mode else None

    @cache  # as it was at first: a module may be edited while a run goes on
    def evaluator_of(task: str) -> Evaluator:
        return Evaluator(task, chosen) if task.startswith("__main__:") else evaluator(task, chosen)

    made = cache(make_optimizer)  # and so may an optimizer

    def optimizer_of(subject: Subject, layout: Any) -> Any:
        return subject if isinstance(subject, Program) else made(subject, layout)

    def train(subjects: Sequence[Subject], samples: Sequence[Sample]) -> list[tuple[Score, ...]]:
        task, _, part = samples[0]
        seeds = [seed for _, seed, _ in samples]
        own = evaluator_of(task)
        optimizers = [optimizer_of(subject, own.problem.layout) for subject in subjects]
        return own.evaluate_together(optimizers, part, seeds)

    def curve(job: CurveJob) -> Curve:
        task, seed, part = job.sample
        own = evaluator_of(task)
        return own.curve(optimizer_of(job.subject, own.problem.layout), part, seed, job.num_points)

    return train, curve


def make_optimizer(subject: Subject, layout: Any) -> Any:
    """What the one door takes, for weights of a layout; a program is that already."""
    if isinstance(subject, Program):
        return subject
    if isinstance(subject, str):
        from lion_search.proxy_tasks.training.optax_rules import read_optax

        return read_optax(subject, layout)
    return subject.optimizer()
