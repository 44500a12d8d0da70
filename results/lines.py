"""The best so far along a search: of all programs, of those with as many state arrays, of each population.

A line goes on from what was kept of it (see :mod:`digest`): its points, and in the table of programs what its
members were judged by then. These are asked for only where the best of a line loses its place.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from lion_search.dsl.shown import plural
from lion_search.results.ranking import Ranked
from lion_search.results.records import Individual
from lion_search.results.schema import INDIVIDUALS, PROGRAMS
from lion_search.results.store import Store, chunks

_RESOLUTION = math.log(1.01)
"""Of what changes within a hundredth of the programs so far, the last is kept."""


class Kind(enum.StrEnum):
    """Of what a line is the best."""

    ALL = "all"
    STATES = "states"
    POPULATION = "population"


class Key(NamedTuple):
    """Which line it is: for example of the programs with one state array."""

    kind: Kind
    number: int = 0

    @property
    def title(self) -> str:
        """What it is called; a niche of that kind is called the same."""
        match self.kind:
            case Kind.ALL:
                return ALL
            case Kind.STATES:
                return plural(self.number, "state")
            case Kind.POPULATION:
                return f"population {self.number + 1}"


ALL = "all"
"""The line of the best of everything."""


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


class _Member(NamedTuple):
    """A program as it is judged: by its first individual."""

    id: int
    fitness: float
    judged: float
    num_seeds: int


class Lines:
    """The lines while the log is walked through from a place on."""

    def __init__(self, store: Store, start: int, kept: Mapping[Key, Sequence[BestPoint]]) -> None:
        """Lines as they were kept.

        Args:
            store: the log.
            start: the individual from which it is walked through.
            kept: the points of each line up to there, its end not among them.
        """
        self._store, self._start = store, start
        self._lines = {key: self._line(key, points) for key, points in kept.items()}
        self._keys: dict[str, set[Key]] = {}
        self._now: dict[str, _Member] = {}
        self._hashes: dict[int, str] = {}

    def prepare(self, hashes: Iterable[str], scored: Iterable[int]) -> None:
        """Looks up what was kept of programs that are judged anew, and that are met again by number."""
        if not self._start:
            return
        for hash_, repeat in _meetings(self._store, set(hashes), self._start):
            self._keys.setdefault(hash_, set()).add(Key(Kind.POPULATION, repeat))
        self._hashes = self._store.scored_hashes({number for number in scored if number < self._start})
        self._now = _members(self._store, set(self._hashes.values()))

    def add(self, one: Individual, row: Ranked) -> None:
        """A program was trained, or trained on further seeds."""
        keys = self._keys.setdefault(row.hash, set())
        keys |= {
            Key(Kind.ALL),
            Key(Kind.STATES, row.individual.num_states),
            Key(Kind.POPULATION, one.repeat),
        }
        self._hashes[one.id] = row.hash
        self._now[row.hash] = _Member(row.individual.id, row.fitness, row.judged, row.num_seeds)
        for key in keys:
            self._offer(key, one.id, row.hash)

    def meet(self, number: int, repeat: int, scored_id: int) -> None:
        """A population came upon a program that was trained before."""
        hash_, key = self._hashes.get(scored_id), Key(Kind.POPULATION, repeat)
        if hash_ in self._now and key not in self._keys.setdefault(hash_, set()):
            self._keys[hash_].add(key)
            self._offer(key, number, hash_)

    def kept(self) -> dict[Key, tuple[BestPoint, ...]]:
        """The points of each line, as they are kept."""
        return {key: line.points() for key, line in self._lines.items()}

    def ended(self, num_programs: int) -> dict[Key, tuple[BestPoint, ...]]:
        """The same up to the end of a log of so many; that of all first. Lines without a best are none."""
        order = sorted(self._lines, key=lambda key: ([*Kind].index(key.kind), key.number))
        found = {key: self._lines[key].ended(num_programs) for key in order}
        return {key: points for key, points in found.items() if points}

    def _offer(self, key: Key, number: int, hash_: str) -> None:
        if key not in self._lines:
            self._lines[key] = self._line(key, ())
        self._lines[key].offer(number + 1, self._now[hash_])

    def _line(self, key: Key, points: Sequence[BestPoint]) -> _Line:
        return _Line(points, lambda: _best(self._store, key, self._start) if self._start else ())


class _Line:
    """The best of some programs, and the places at which it changed."""

    def __init__(self, points: Sequence[BestPoint], kept: Callable[[], Iterable[_Member]]) -> None:
        """A line up to a place; ``kept`` tells its members there, the best first."""
        self._points = list(points)
        self._heap: list[tuple[float, int]] = []
        self._members: dict[int, _Member] = {}  # those that were offered since
        self._kept = _heads(points, kept)
        self._head = next(self._kept, None)

    def offer(self, num_programs: int, member: _Member) -> None:
        """A program was judged, or judged anew, when there were so many."""
        self._members[member.id] = member
        if member.judged > -math.inf:
            heapq.heappush(self._heap, (-member.judged, member.id))
        if (best := self._best()) is None:
            return
        point = BestPoint(num_programs, *best)
        if self._points and _what(self._points[-1]) == _what(point):
            return
        if self._points and _bucket(self._points[-1]) == _bucket(point):
            self._points.pop()
        self._points.append(point)

    def points(self) -> tuple[BestPoint, ...]:
        """Where it changed."""
        return tuple(next(same) for _, same in itertools.groupby(self._points, _what))

    def ended(self, num_programs: int) -> tuple[BestPoint, ...]:
        """Where it changed, and the end; none without a best."""
        best = self._best()
        return () if best is None else (*self.points(), BestPoint(num_programs, *best))

    def _best(self) -> _Member | None:
        """Of equals the first: what was judged anew since counts as it is now."""
        while self._heap and -self._heap[0][0] != self._members[self._heap[0][1]].judged:
            heapq.heappop(self._heap)
        while self._head is not None and self._head.id in self._members:
            self._head = next(self._kept, None)
        new = self._members[self._heap[0][1]] if self._heap else None
        return min(filter(None, (new, self._head)), key=lambda m: (-m.judged, m.id), default=None)


def _heads(points: Sequence[BestPoint], kept: Callable[[], Iterable[_Member]]) -> Iterator[_Member]:
    """The best that was kept, which is known, and those after it where they are asked for."""
    for last in points[-1:]:
        yield _Member(last.best_id, last.fitness, last.judged, last.num_seeds)
    yield from kept()


def _what(point: BestPoint) -> tuple[int, float]:
    return point.best_id, point.judged


def _bucket(point: BestPoint) -> int:
    return int(math.log(point.num_programs) / _RESOLUTION)


# What was kept, in the log.

_MEMBER = (PROGRAMS.c.individual_id, PROGRAMS.c.fitness, PROGRAMS.c.judged, PROGRAMS.c.num_seeds)


def _best(store: Store, key: Key, start: int) -> Iterator[_Member]:
    """The members of a line up to a place as they were judged there, the best first."""
    own = PROGRAMS.c
    query = sa.select(*_MEMBER).where(own.judged.is_not(None)).order_by(own.judged.desc(), own.individual_id)
    if key.kind is Kind.STATES:
        query = query.where(own.num_states == key.number)
    if key.kind is Kind.POPULATION:
        one, scored = INDIVIDUALS.c, INDIVIDUALS.alias()
        met = sa.select(scored.c.hash).join(INDIVIDUALS, one.scored_id == scored.c.id)
        query = query.where(own.hash.in_(met.where(one.repeat == key.number, one.id < start)))
    with store.transaction() as connection:
        yield from itertools.starmap(_Member, connection.execute(query))


def _members(store: Store, hashes: Iterable[str]) -> dict[str, _Member]:
    """Programs as they were judged when they were kept."""
    query = sa.select(PROGRAMS.c.hash, *_MEMBER)
    with store.transaction() as connection:
        return {
            hash_: _Member(
                number,
                -math.inf if fitness is None else fitness,
                -math.inf if judged is None else judged,
                seeds,
            )
            for some in chunks(hashes)
            for hash_, number, fitness, judged, seeds in connection.execute(
                query.where(PROGRAMS.c.hash.in_(some))
            )
        }


def _meetings(store: Store, hashes: Iterable[str], start: int) -> Iterator[tuple[str, int]]:
    """Which populations had met programs up to a place."""
    one, scored = INDIVIDUALS.c, INDIVIDUALS.alias()
    query = sa.select(scored.c.hash, one.repeat).join(INDIVIDUALS, one.scored_id == scored.c.id)
    with store.transaction() as connection:
        for some in chunks(hashes):
            own = query.where(scored.c.hash.in_(some), one.id < start).distinct()
            yield from map(tuple, connection.execute(own))
