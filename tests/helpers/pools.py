"""A pool that answers as a test likes, and programs for it that are told apart by a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import CurveJob, Job, JobResult
from lion_search.proxy_tasks.scores import Curve, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, Finished

Answer = Callable[[Job], tuple[Score, ...] | Failure]


class FakePool:
    """Answers in reverse order, one job at a time; can be interrupted after so many."""

    def __init__(
        self,
        answer: Answer,
        breaks_after: int | None = None,
        room: int = 2,
        curve: Callable[[CurveJob], Curve] | None = None,
    ) -> None:
        self.room = room
        self._curve = curve
        self.jobs: list[Job | CurveJob] = []
        self._answer = answer
        self._waiting: list[tuple[int, Job | CurveJob]] = []
        self._left = breaks_after

    def submit(self, job_id: int, payload: Job | CurveJob) -> None:
        self.jobs.append(payload)
        self._waiting.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        if self._left is not None:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
        job_id, job = self._waiting.pop()
        if isinstance(job, CurveJob):
            assert self._curve is not None
            return [Finished(job_id, self._curve(job))]
        found = self._answer(job)
        if isinstance(found, Failure):
            return [Finished(job_id, failure=found)]
        return [Finished(job_id, JobResult(found))]

    @property
    def seeds(self) -> list[int]:
        """The first seeds of all jobs, each once, in their order."""
        return list(dict.fromkeys(job.samples[0][1] for job in self.jobs if isinstance(job, Job)))


def program(number: int) -> Program:
    """A program with a redundant statement, so that genome and canonical form differ."""
    return parse(f"def train(w, g, lr):\n    v1 = w * w\n    update = g * 0.{number}1\n    return update")


HASH = {number: functional_hash(program(number)) for number in range(1, 10)}


def spread(mean: float, seed: int) -> float:
    """A loss around a mean, the same deviation for everyone on one seed."""
    return mean * (1 + 0.01 * ((seed % 7) - 3))


def trained(job: Job, loss: Callable[[int], float]) -> tuple[Score, ...]:
    """All samples of a job, each with a loss by its seed."""
    return tuple(Score(task, part, seed, Status.OK, loss(seed), 250, 0.1) for task, seed, part in job.samples)


def diverged(job: Job, place: int = 0) -> Score:
    """The failure of a sample of a job."""
    task, seed, part = job.samples[place]
    return Score(task, part, seed, Status.DIVERGED, None, 3, 0.1, "not finite after step 3")


def by_program(means: Mapping[int, float | None], baseline: Callable[[int], float] | None) -> Answer:
    """Losses around a mean for each program, by its number; no mean, and no baseline, diverges."""

    def answer(job: Job) -> tuple[Score, ...]:
        loss = baseline
        if isinstance(job.subject, Program):
            mean = means[next(n for n, hash_ in HASH.items() if hash_ == functional_hash(job.subject))]
            loss = None if mean is None else lambda seed: spread(mean, seed)
        else:
            assert isinstance(job.subject, Baseline)
        return (diverged(job),) if loss is None else trained(job, loss)

    return answer
