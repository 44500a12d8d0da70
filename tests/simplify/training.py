"""A fake of training: a program's loss follows from the program, with noise by seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from pools import FakePool, diverged

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Score, Status
from lion_search.simplify.experiments.trainer import Trainer

TASKS = ("one", "two")
STILL = functional_hash(Program((), (), (0.0,)))
NOISE = 0.05


def answer(job: Job, loses: Callable[[Program], float], noise: float) -> tuple[Score, ...]:
    """The loss of a program is 0.1 times e to the power of what ``loses`` says of it.

    Weights that never move stay at 10; ``math.inf`` is a training that diverges.
    """
    program = job.subject
    assert isinstance(program, Program)
    hash_ = functional_hash(program)
    power = math.log(100) if hash_ == STILL else loses(program)
    if math.isinf(power):
        return (diverged(job),)

    def loss(task: str, seed: int) -> float:
        common = random.Random(f"{task} {seed}").gauss(0, 0.5)  # to all programs
        own = random.Random(f"{task} {seed} {hash_}").gauss(0, noise)
        return 0.1 * math.exp(power + (common + own))

    return tuple(Score(task, part, s, Status.OK, loss(task, s), 5, 0.0) for task, s, part in job.samples)


def trainer(loses: Callable[[Program], float] = lambda program: 0.0, noise: float = NOISE) -> Trainer:
    """A trainer with a fake pool."""
    return Trainer(FakePool(lambda job: answer(job, loses, noise), room=4), TASKS)  # type: ignore[arg-type]


def functions(program: Program) -> list[str]:
    """The functions of a program's statements."""
    return [statement.function for statement in program.statements]
