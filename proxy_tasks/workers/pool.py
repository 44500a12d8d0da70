"""Where candidates are evaluated: a pool that takes jobs and hands back outcomes.

The search (the driver) submits payloads and waits for outcomes; a pool evaluates them in small batches.
`InlinePool` does so in this process, for tests and for one-core runs; `ray_pool.RayPool` keeps one
long-lived Ray actor per worker, which watches the process that evaluates. What is evaluated is the
factory's business: a pool knows job numbers, payloads and results, nothing about programs or tasks. This
module imports neither Ray nor JAX.

    for _ in range(pool.room):
        pool.submit(next_job_id(), payload)
    for outcome in pool.wait(timeout_seconds=1.0):
        ...
"""

from __future__ import annotations

import enum
import importlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lion_search.dsl.errors import LionSearchError

Evaluate = Callable[[Sequence[Any]], Sequence[Any]]
"""Evaluates payloads, in order, to as many results. A pool gives it one at a time, or whole batches."""

Factory = str | Callable[[], Evaluate]
"""Builds an `Evaluate` where it will run: "package.module:function", or a picklable callable."""

_MAX_REASON = 1000  # Characters: reasons are stored, and a candidate may raise anything.


class PoolError(LionSearchError):
    """The pool as a whole cannot go on: workers do not start, or Ray is gone. The message says why."""


class FailureKind(enum.StrEnum):
    """How a job failed."""

    RAISED = "raised"
    """It raised an exception, or its result could not travel."""
    DIED = "died"
    """Its process died, and died again when the job was tried once more."""
    TIMED_OUT = "timed_out"
    """It took longer than `JobLimits.seconds_per_job`."""
    OUT_OF_MEMORY = "out_of_memory"
    """Its process took more than `JobLimits.memory_bytes`, or an allocation was refused."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no value; the reason is text for a person, of bounded length."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What is enforced from outside the process that evaluates.

    Attributes:
        seconds_per_job: time that one job could use, see `job_time`; None is no limit.
        memory_bytes: resident memory of that process and of those it starts, with all that the evaluator
            and earlier jobs hold; None is no limit. Memory of a GPU is not counted.
        start_seconds: the same for imports and for the factory.
    """

    seconds_per_job: float | None = None
    memory_bytes: int | None = None
    start_seconds: float = 600.0


NO_LIMITS = JobLimits()
"""Only a start that never ends is cut short."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of one job: a `value`, or, where `failure` is not None, why there is none."""

    job_id: int
    value: Any = None
    failure: Failure | None = None


class Pool(Protocol):
    """Takes jobs, evaluates them in any order, hands back one `Finished` for each.

    Whatever a job does is its outcome, and other jobs are unaffected. Not thread-safe.
    """

    @property
    def in_flight(self) -> int:
        """Jobs submitted whose outcome has not been handed back."""
        ...

    @property
    def room(self) -> int:
        """Jobs to submit now so that no worker runs idle; 0 when there are enough. More are allowed."""
        ...

    def submit(self, job_id: int, payload: Any) -> None:
        """Queues a picklable payload; never blocks. The number names the outcome and is not checked."""
        ...

    def wait(self, timeout_seconds: float) -> list[Finished]:
        """Returns outcomes as soon as there are any, in any order.

        Returns none after `timeout_seconds`, or when no job is in flight.

        Raises:
            PoolError: the pool cannot go on; jobs in flight are lost.
        """
        ...

    def close(self) -> None:
        """Drops jobs in flight and ends every process the pool started. A second call does nothing."""
        ...


def build(factory: Factory) -> Evaluate:
    """Calls the factory, after importing it where it is given as "package.module:function".

    Raises:
        ValueError: the text is not of that form.
        ImportError, AttributeError: no such module, or nothing of that name in it.
    """
    if callable(factory):
        return factory()
    module_name, separator, function_name = factory.partition(":")
    if not (module_name and separator and function_name):
        raise ValueError(f"factory {factory!r}: expected 'package.module:function'")
    function: Callable[[], Evaluate] = getattr(importlib.import_module(module_name), function_name)
    return function()


def evaluate_batch(evaluate: Evaluate, payloads: Sequence[Any]) -> list[Any]:
    """Evaluates payloads in one call of the evaluator; raises what that raises."""
    values = list(evaluate(payloads))
    if len(values) != len(payloads):
        raise ValueError(f"the evaluator returned {len(values)} results for {len(payloads)} payload(s)")
    return values


def evaluate_one(evaluate: Evaluate, payload: Any) -> Any:
    """Evaluates one payload; raises what the evaluator raises."""
    return evaluate_batch(evaluate, [payload])[0]


def failure_of(error: BaseException, what: str = "") -> Failure:
    """The failure of a job that raised: OUT_OF_MEMORY where an allocation was refused, else RAISED.

    Args:
        error: what was raised.
        what: text to put before "ErrorName: message".
    """
    try:
        message = _shortened(str(error))
    except Exception:  # noqa: BLE001 -- its own __str__ is the candidate's too
        message = "(its message cannot be read)"
    # XLA has no class of its own for it, only this status in the text.
    refused = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in message
    kind = FailureKind.OUT_OF_MEMORY if refused else FailureKind.RAISED
    return Failure(kind, printable(f"{what}{type(error).__name__}: {message}"))


def _shortened(text: str) -> str:
    """The beginning and the end of a long text: a traceback in a message tells the cause last."""
    half = _MAX_REASON // 2
    return text if len(text) <= _MAX_REASON else f"{text[: half - 5]} ... {text[-half:]}"


def printable(text: str) -> str:
    """The text without what a database refuses: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


class InlinePool:
    """A `Pool` without processes: `wait` evaluates one batch here and now, however long it takes.

    There is nobody outside to enforce limits: a job that never returns never returns, and one that ends its
    process ends this one. Ctrl-C interrupts a job and is raised from `wait`.

    Args:
        factory: builds the evaluator.
        batch_size: most jobs in one call of `wait`.
        batched: whether the evaluator gets a batch in one call, as the batched mode needs it; should that
            raise, it gets each job alone.
    """

    def __init__(self, factory: Factory, *, batch_size: int = 8, batched: bool = False) -> None:
        self._evaluate = build(factory)
        self._batch_size = batch_size
        self._batched = batched
        self._pending: deque[tuple[int, Any]] = deque()

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    @property
    def room(self) -> int:
        return max(0, self._batch_size - len(self._pending))

    def submit(self, job_id: int, payload: Any) -> None:
        self._pending.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        size = min(self._batch_size, len(self._pending))
        batch = [self._pending.popleft() for _ in range(size)]
        if self._batched and size > 1:
            try:
                values = evaluate_batch(self._evaluate, [payload for _, payload in batch])
            except Exception:  # noqa: BLE001, S110 -- each has its own outcome below
                pass
            else:
                return [Finished(job_id, value) for (job_id, _), value in zip(batch, values, strict=True)]
        return [self._outcome(*job) for job in batch]

    def close(self) -> None:
        self._pending.clear()

    def _outcome(self, job_id: int, payload: Any) -> Finished:
        try:
            return Finished(job_id, evaluate_one(self._evaluate, payload))
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- what a job does is its outcome
            return Finished(job_id, failure=failure_of(error))
