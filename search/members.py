"""What a search's state and its methods share: what is known of a program, and who may be a parent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Score, Status
from lion_search.results.records import Individual


@dataclass(slots=True, eq=False)
class Entry:
    """What is known of one program and of all that share its scores. Only the state changes it.

    All of it is empty until the individual it was made for is applied.

    Attributes:
        id: that individual.
        scores: on all samples so far.
        status: of the last training; ``None`` before any.
        fitness: mean over the samples.
        judged: the same with caution, and without prices.
        num_failures: trainings that brought down their worker.
        num_hits: individuals that shared its scores since it was last trained.
        hash: of the program that was kept, which is what was trained.
        scale: what the update of the program that was proposed is multiplied by to be the one that was kept.
    """

    id: int = 0
    scores: tuple[Score, ...] = ()
    status: Status | None = None
    fitness: float = 0.0
    judged: float = 0.0
    num_failures: int = 0
    num_hits: int = 0
    hash: str = ""
    scale: float = 1.0


@dataclass(slots=True, eq=False)
class Member:
    """An individual that may become a parent.

    Attributes:
        id: its number in the log.
        source: its genome, or the text of it.
        hash: functional hash.
        entry: what it shares its scores with.
        price: taken off its fitness.
    """

    id: int
    source: Program | str
    hash: str
    entry: Entry
    price: float = 0.0

    @property
    def program(self) -> Program:
        """The genome; a text is read when it is first needed."""
        if isinstance(self.source, str):
            self.source = parse(self.source)
        return self.source

    @property
    def judged(self) -> float:
        """By which it is compared with others."""
        return self.entry.judged - self.price


@dataclass(frozen=True, slots=True)
class Event:
    """One individual of the log, as the state and its methods learn of it.

    Attributes:
        individual: its record.
        member: the individual as a possible parent.
        parent: what it was made from; ``None`` for an initial or a random program.
        scores: of the training it was the cause of; empty if there was none.
    """

    individual: Individual
    member: Member
    parent: Member | None
    scores: tuple[Score, ...]

    @property
    def is_ok(self) -> bool:
        """Whether what is known of its program is that it trains."""
        return self.member.entry.status is Status.OK


def fewest_seeds(scores: Sequence[Score]) -> int:
    """On how many seeds a program was trained, of the task where that is least."""
    return min(Counter(score.task for score in scores).values(), default=0)
