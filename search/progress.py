"""How far a search is: counts over its log, kept as it grows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import HITS, NOVEL, TRAINED, Evaluation, Individual, Outcome
from lion_search.search.members import Member

_WINDOW = 1000
"""Over so many of the last individuals shares are taken."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best individual of a niche; JSON values only.

    Attributes:
        id: its number in the log.
        fitness: its mean over its seeds, prices not taken off.
        judged: what it is compared by: with caution and prices.
        seeds: trainings behind that.
    """

    id: int
    fitness: float
    judged: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of a running search; JSON values only.

    Attributes:
        seconds: of searching so far, pauses not counted.
        num_programs: individuals committed.
        num_evaluated: of these, how many cost a training.
        num_novel: of these, how many were new to the search.
        num_in_flight: jobs under way.
        hits: how many shared scores, by cause.
        redundant_share: mean share of redundant statements in the last 1,000 genomes, in [0, 1].
        best_id: the best individual the search knows of; ``None`` while there is none.
        best_fitness: its mean over its seeds, prices not taken off.
        best_judged: what it is compared by: with caution and prices.
        best_seeds: trainings behind that.
        frontier: the same of each niche's best, by the niche's title.
        median_fitness: of the living, as judged.
        failures: how many trainings failed, by status.
        stopped_share: share of training time that hurdles saved, in [0, 1], estimated.
        seconds_in_store: spent on the database.
        seconds_left: until the first limit at the present speed; ``None`` if that cannot be said.
    """

    seconds: float
    num_programs: int
    num_evaluated: int
    num_novel: int
    num_in_flight: int
    hits: Mapping[str, int]
    redundant_share: float
    best_id: int | None
    best_fitness: float | None
    best_judged: float | None
    best_seeds: int
    frontier: Mapping[str, Best]
    median_fitness: float | None
    failures: Mapping[str, int]
    stopped_share: float
    seconds_in_store: float
    seconds_left: float | None

    @staticmethod
    def of_json(values: Mapping[str, Any]) -> Progress:
        """A snapshot from its JSON values; those of earlier versions have no frontier."""
        frontier = {niche: Best(**best) for niche, best in values.get("frontier", {}).items()}
        return Progress(**{**values, "frontier": frontier})

    @property
    def hit_rate(self) -> float:
        """Share of programs that shared scores of the search, in [0, 1]."""
        return sum(self.hits.values()) / max(1, self.num_programs)


class Tally:
    """Counts what is committed."""

    def __init__(self) -> None:
        self.num_started = 0
        self.num_jobs = 0
        self.seconds_in_store = 0.0
        self._outcomes: Counter[Outcome] = Counter()
        self._failures: Counter[str] = Counter()
        self._redundant: deque[float] = deque(maxlen=_WINDOW)
        self._full = _Mean()
        self._stopped = _Mean()

    def add(self, individual: Individual, evaluations: Sequence[Evaluation]) -> None:
        """Counts one individual and the trainings it was the cause of."""
        self._outcomes[individual.outcome] += 1
        length = individual.num_statements
        self._redundant.append(1 - individual.num_live_statements / max(1, length))
        if individual.outcome not in TRAINED:
            return
        self.num_jobs += 1
        seconds = sum(e.score.seconds for e in evaluations if e.subject == individual.hash)
        if individual.status is not Status.OK:
            self._failures[individual.status] += 1
        if individual.status is Status.STOPPED:
            self._stopped.add(seconds)
        elif individual.status is Status.OK and individual.outcome is Outcome.EVALUATED:
            self._full.add(seconds)

    def progress(
        self,
        *,
        seconds: float,
        num_programs: int,
        num_in_flight: int,
        best: Member | None,
        frontier: Mapping[str, Member | None],
        living: Iterable[Member],
        seconds_left: float,
    ) -> Progress:
        """A snapshot."""
        judged = sorted(member.judged for member in living if member.entry.status is not None)
        saved = max(0.0, self._stopped.count * (self._full.mean - self._stopped.mean))
        spent = self._full.total + self._stopped.total
        return Progress(
            seconds=seconds,
            num_programs=num_programs,
            num_evaluated=self.num_jobs,
            num_novel=sum(self._outcomes[outcome] for outcome in NOVEL),
            num_in_flight=num_in_flight,
            hits={str(cause): self._outcomes[cause] for cause in HITS},
            redundant_share=sum(self._redundant) / max(1, len(self._redundant)),
            best_id=None if best is None else best.id,
            best_fitness=None if best is None else best.entry.fitness,
            best_judged=None if best is None else best.judged,
            best_seeds=0 if best is None else len(best.entry.scores),
            frontier={
                title: Best(member.id, member.entry.fitness, member.judged, len(member.entry.scores))
                for title, member in frontier.items()
                if member is not None and len(frontier) > 1
            },
            median_fitness=judged[len(judged) // 2] if judged else None,
            failures=dict(self._failures),
            stopped_share=saved / (saved + spent) if saved else 0.0,
            seconds_in_store=self.seconds_in_store,
            seconds_left=None if seconds_left == float("inf") else seconds_left,
        )


class _Mean:
    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def mean(self) -> float:
        return self.total / max(1, self.count)
