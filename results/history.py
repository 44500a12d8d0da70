"""How a search went, program by program, read from its log: the best so far and what became of all.

Where :mod:`curves` asks what a search knew after so much compute, this follows it over its programs, which is
how a person watches one: for all together, for each population, for each niche.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lion_search.results.judge import Judge
from lion_search.results.queries import Window, meetings, windows
from lion_search.results.ranking import Ranked, Ranking, judge_settings, read_scores
from lion_search.results.records import HAS_OWN_SCORES, Individual, Stage
from lion_search.results.store import Store

ALL = "all"
"""The line of the best of everything."""
_POPULATION = "population "
_WINDOWS = 100
_LEAST_WINDOW = 50
_RESOLUTION = math.log(1.01)
"""Of what changes within a hundredth of the programs so far, the last is kept."""


@dataclass(frozen=True, slots=True)
class BestPoint:
    """The best as the search knew it at a place of its log.

    Attributes:
        num_programs: individuals committed by then.
        best_id: the first individual of the program that was best.
        fitness: its mean over its seeds.
        judged: what it was ranked by: less caution and price.
        num_seeds: trainings behind that.
    """

    num_programs: int
    best_id: int
    fitness: float
    judged: float
    num_seeds: int


@dataclass(frozen=True, slots=True)
class History:
    """A search from its first program to its last.

    Attributes:
        num_programs: individuals in the log.
        best: by line, ``ALL`` the first, the places at which the best changed, and the end.
        ranked: all programs that were trained, the best first; failures last.
        windows: what became of its programs, some hundred or thousand at a time.
    """

    num_programs: int
    best: dict[str, tuple[BestPoint, ...]]
    ranked: list[Ranked]
    windows: list[Window]


def read_history(store: Store, niche_of: Callable[[Individual], str] | None = None) -> History:
    """Reads the history of a search, also of one that goes on.

    Populations get a line each where there are several; a program that several have met counts for each.

    Args:
        store: the run's log.
        niche_of: the title of a program's niche, where the search has several.
    """
    num_programs = store.num_individuals()
    size = max(_LEAST_WINDOW, math.ceil(num_programs / _WINDOWS))
    baseline, rows = read_scores(store, Stage.SEARCH, only_kept=True)
    if not rows:
        return History(num_programs, {}, [], windows(store, size))
    ranking, lines = Ranking(Judge(baseline, judge_settings(store))), _Lines(niche_of)
    hits = meetings(store) if store.num_repeats() > 1 else None
    lines.has_populations = hits is not None
    last = 0
    for met in _in_order(store, hits or []):
        if isinstance(met, Individual):
            row = ranking.add(met, rows.get(met.id, ()))
            last = met.id
            if row is not None:
                lines.add(met, row)
        else:
            last, repeat, scored_id = met
            lines.meet(last, repeat, scored_id)
    return History(
        num_programs, lines.points(max(num_programs, last + 1)), ranking.ranked(), windows(store, size)
    )


def is_population(name: str) -> bool:
    """Whether a line is that of a population, and not of a niche or of all."""
    return name.startswith(_POPULATION)


def _in_order(store: Store, hits: list[tuple[int, int, int]]) -> Iterator[Individual | tuple[int, int, int]]:
    """Individuals with scores of their own, and hits, in the order of the log."""
    trained = store.individuals(outcomes=HAS_OWN_SCORES)
    return heapq.merge(trained, hits, key=lambda met: met.id if isinstance(met, Individual) else met[0])


@dataclass(slots=True)
class _Lines:
    """The lines of a history while the log is walked through."""

    niche_of: Callable[[Individual], str] | None
    has_populations: bool = False
    _lines: dict[str, _Line] = field(default_factory=dict)
    _rows: dict[int, Ranked] = field(default_factory=dict)
    _of: dict[str, set[str]] = field(default_factory=dict)

    def add(self, individual: Individual, row: Ranked) -> None:
        """A program was trained, or trained on further seeds."""
        self._rows[individual.id] = row
        names = self._of.setdefault(row.hash, {ALL})
        if self.niche_of is not None:
            names.add(self.niche_of(individual))
        if self.has_populations:
            names.add(_population(individual.repeat))
        for name in names:
            self._lines.setdefault(name, _Line()).offer(individual.id, row)

    def meet(self, number: int, repeat: int, scored_id: int) -> None:
        """A population came upon a program that was trained before."""
        row, name = self._rows.get(scored_id), _population(repeat)
        if row is not None and name not in self._of[row.hash]:
            self._of[row.hash].add(name)
            self._lines.setdefault(name, _Line()).offer(number, row)

    def points(self, num_programs: int) -> dict[str, tuple[BestPoint, ...]]:
        """By line, that of all first."""
        names = sorted(self._lines, key=lambda name: (name != ALL, is_population(name), name))
        found = {name: self._lines[name].points(num_programs) for name in names}
        return {name: points for name, points in found.items() if points}


def _population(repeat: int) -> str:
    return f"{_POPULATION}{repeat + 1}"


class _Line:
    """The best of some programs, and the places at which it changed."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ranked]] = []
        self._counter = itertools.count()
        self._points: dict[int, BestPoint] = {}

    def offer(self, number: int, row: Ranked) -> None:
        """A program was judged, or judged anew, with an individual of the log."""
        if row.judged > -math.inf:
            heapq.heappush(self._heap, (-row.judged, next(self._counter), row))
        while self._heap and self._heap[0][0] != -self._heap[0][2].judged:  # judged anew since
            heapq.heappop(self._heap)
        if self._heap:
            self._points[int(math.log(number + 1) / _RESOLUTION)] = _point(number + 1, self._heap[0][2])

    def points(self, num_programs: int) -> tuple[BestPoint, ...]:
        """Where it changed, and the end."""
        if not self._heap:
            return ()
        found = [next(same) for _, same in itertools.groupby(self._points.values(), _what)]
        return (*found, _point(num_programs, self._heap[0][2]))


def _point(num_programs: int, row: Ranked) -> BestPoint:
    return BestPoint(num_programs, row.individual.id, row.fitness, row.judged, row.num_seeds)


def _what(point: BestPoint) -> tuple[int, float]:
    return point.best_id, point.judged
