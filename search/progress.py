"""How far a search is: counts over its log, kept as it grows."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lion_search.proxy_tasks.scores import Status
from lion_search.results.counts import IndividualCounts, TrainingCounts
from lion_search.results.records import HITS, TRAINED, Evaluation, Individual, Outcome
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
        num_evaluated: of these, how many cost trainings.
        num_novel: distinct programs: of these, those whose scores were first made for them.
        num_in_flight: jobs under way.
        hits: how many shared scores, by cause.
        redundant_share: mean share of redundant statements in the last 1,000 genomes, in [0, 1].
        best_id: the best individual the search knows of; ``None`` while there is none.
        best_fitness: its mean over its seeds, prices not taken off.
        best_judged: what it is compared by: with caution and prices.
        best_seeds: trainings behind that.
        frontier: the same of each niche's best, by the niche's title.
        median_fitness: of the living that train, as judged.
        failures: of those that were evaluated, how many failed how.
        stopped_share: share of training time that hurdles saved, in [0, 1], estimated; 0 while unknown.
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
        self.seconds_in_store = 0.0
        self._individuals = IndividualCounts()
        self._trainings = TrainingCounts()
        self._samples: Counter[str] = Counter()
        self._redundant: list[tuple[int, float]] = []  # a heap, since a replay may have another order

    @property
    def num_evaluated(self) -> int:
        """Individuals that cost trainings."""
        return self._individuals.evaluated

    def add(self, individual: Individual, evaluations: Sequence[Evaluation]) -> None:
        """Counts one individual and the trainings it was the cause of."""
        outcome, status = individual.outcome, individual.status
        self._individuals.add(outcome, status, is_first=individual.scored_id == individual.id)
        heapq.heappush(self._redundant, (individual.id, _redundant_share(individual)))
        if len(self._redundant) > _WINDOW:
            heapq.heappop(self._redundant)
        if outcome not in TRAINED:
            return
        for evaluation in evaluations:
            score, is_kept = evaluation.score, evaluation.subject == individual.hash
            self._trainings.add(score.task, score.status, score.seconds, is_kept=is_kept)
        if not self._samples and outcome is Outcome.EVALUATED and status is Status.OK:
            self._samples.update(e.score.task for e in evaluations if e.subject == individual.hash)

    def progress(
        self,
        *,
        seconds: float,
        num_in_flight: int,
        best: Member | None,
        frontier: Mapping[str, Member | None],
        living: Iterable[Member],
        seconds_left: float,
    ) -> Progress:
        """A snapshot."""
        judged = sorted(member.judged for member in living if member.entry.status is Status.OK)
        counts = self._individuals
        return Progress(
            seconds=seconds,
            num_programs=counts.programs,
            num_evaluated=counts.evaluated,
            num_novel=counts.novel,
            num_in_flight=num_in_flight,
            hits={str(cause): counts.outcomes[cause] for cause in HITS},
            redundant_share=fmean(share for _, share in self._redundant) if self._redundant else 0.0,
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
            failures={str(s): count for s, count in counts.statuses.items() if s is not Status.OK},
            stopped_share=self._trainings.saved_share(self._samples) or 0.0,
            seconds_in_store=self.seconds_in_store,
            seconds_left=None if seconds_left == float("inf") else seconds_left,
        )


def _redundant_share(individual: Individual) -> float:
    length = individual.num_statements
    return 1 - individual.num_live_statements / length if length else 0.0
