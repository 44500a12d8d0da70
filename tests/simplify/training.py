"""A fake of training: a program's loss follows from the program, with noise by seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job, JobResult
from lion_search.proxy_tasks.scores import Score, Status
from lion_search.proxy_tasks.workers.pool import Finished
from lion_search.simplify.experiments.trainer import Trainer

TASKS = ("one", "two")
STILL = functional_hash(Program((), (), (0.0,)))
NOISE = 0.05


class FakePool:
    """Answers one job at a time.

    The loss of a program is 0.1 times e to the power of what ``loses`` says of it; weights that never move
    stay at 10; ``math.inf`` is a training that diverges.
    """

    room = 4

    def __init__(self, loses: Callable[[Program], float], noise: float = NOISE) -> None:
        self._loses, self._noise = loses, noise
        self._waiting: list[tuple[int, Job]] = []
        self.jobs: list[Job] = []

    def submit(self, job_id: int, payload: Job) -> None:
        self._waiting.append((job_id, payload))
        self.jobs.append(payload)

    def wait(self, timeout_seconds: float) -> list[Finished]:
        job_id, job = self._waiting.pop()
        assert isinstance(job.subject, Program)
        program: Program = job.subject
        loses = math.log(100) if functional_hash(program) == STILL else self._loses(program)
        if math.isinf(loses):
            task, seed, part = job.samples[0]
            return [
                Finished(job_id, JobResult((Score(task, part, seed, Status.DIVERGED, None, 3, 0.0, "no"),)))
            ]
        scores = []
        for task, seed, part in job.samples:
            noise = random.Random(f"{task} {seed}").gauss(0, 0.5)  # common to all programs
            noise += random.Random(f"{task} {seed} {functional_hash(program)}").gauss(0, self._noise)
            scores.append(Score(task, part, seed, Status.OK, 0.1 * math.exp(loses + noise), 5, 0.0))
        return [Finished(job_id, JobResult(tuple(scores)))]

    @property
    def seeds(self) -> list[int]:
        """The seeds of all jobs, each once, in their order."""
        return list(dict.fromkeys(job.samples[0][1] for job in self.jobs))


def trainer(loses: Callable[[Program], float] = lambda program: 0.0, noise: float = NOISE) -> Trainer:
    """A trainer with a fake pool."""
    return Trainer(FakePool(loses, noise), TASKS)  # type: ignore[arg-type]


def functions(program: Program) -> list[str]:
    """The functions of a program's statements."""
    return [statement.function for statement in program.statements]
