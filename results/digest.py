"""What a log comes to, kept in the log itself up to a place, so that a long one is read in no time.

A search writes it now and then (:func:`keep_digest`): counts as a fact of the run, and in the table of
programs what each program was last judged by. Whoever reads takes what was kept and goes on from there over
the rest of the log, as the search will: so a reader has the same of a run that goes on, was killed or copied
in between, and of an older log, of which nothing was kept, more slowly.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import sqlalchemy as sa

from lion_search.proxy_tasks.scores import Status
from lion_search.results.judge import Judge
from lion_search.results.lines import BestPoint, Key, Kind, Lines
from lion_search.results.queries import (
    FailureGroup,
    IndividualGroup,
    TrainingGroup,
    failure_groups,
    individual_groups,
    last_evaluation,
    meetings,
    training_groups,
)
from lion_search.results.ranking import Ranked, Ranking, judge_settings
from lion_search.results.records import (
    BASELINE_SUBJECT,
    DIGEST_FACT,
    HAS_OWN_SCORES,
    NOVEL,
    Evaluation,
    Individual,
    Outcome,
    Stage,
    mutation_kind,
)
from lion_search.results.schema import PROGRAMS
from lion_search.results.store import Store, chunks


@dataclass(slots=True)
class Digest:
    """What a log comes to.

    Attributes:
        num_individuals: up to which of them, and
        last_evaluation: up to which row of evaluations.
        individuals: counted by what they have in common.
        trainings: the same of what the search paid for.
        failures: the same of trainings that failed.
        fitter: by kind of mutation, new programs that were judged better than their parent was by then.
        rest: the programs that were trained beyond what was kept, as they are judged now.
        lines: the best so far along the search; ``None`` where it was not asked for.
    """

    num_individuals: int = 0
    last_evaluation: int = 0
    individuals: list[IndividualGroup] = field(default_factory=list)
    trainings: list[TrainingGroup] = field(default_factory=list)
    failures: list[FailureGroup] = field(default_factory=list)
    fitter: Counter[str] = field(default_factory=Counter)
    rest: dict[str, Ranked] = field(default_factory=dict)
    lines: Lines | None = None


def read_digest(store: Store, *, with_lines: bool = False) -> Digest:
    """What a log comes to by now; within ``store.moment()`` if the table of programs is read too."""
    with store.moment():
        digest = _kept(store, with_lines=with_lines)
        _go_on(store, digest)
    return digest


def keep_digest(store: Store) -> None:
    """Writes what the log comes to by now; for its writer."""
    with store.moment() as connection:
        digest = read_digest(store, with_lines=True)
        for hashes in chunks(digest.rest):
            connection.execute(sa.delete(PROGRAMS).where(PROGRAMS.c.hash.in_(hashes)))
        if digest.rest:
            connection.execute(sa.insert(PROGRAMS), [_row(one) for one in digest.rest.values()])
        value = {
            "num_individuals": digest.num_individuals,
            "last_evaluation": digest.last_evaluation,
            "individuals": [astuple(group) for group in digest.individuals],
            "trainings": [astuple(group) for group in digest.trainings],
            "failures": [astuple(group) for group in digest.failures],
            "fitter": digest.fitter,
            "lines": [
                [key.kind, key.number, [astuple(point) for point in points]]
                for key, points in (digest.lines.kept() if digest.lines else {}).items()
            ],
        }
        store.append((), (), {DIGEST_FACT: value})


def leaders(store: Store, count: int, digest: Digest | None = None) -> list[Ranked]:
    """The best programs of a log's search, as :func:`ranking.rank` has them.

    Args:
        store: the log.
        count: how many.
        digest: of the log, where it was read in the same moment.
    """
    with store.moment():
        rest = (digest or read_digest(store)).rest
        kept = [row for n in _numbers_of_states(store) for row in _best(store, n, count, rest)]
        names = [row.hash for row in sorted(kept, key=lambda row: (-row.judged, row.individual_id))[:count]]
        found = _ranked(store, names, rest)
        found = [row for row in found if row.status is Status.OK][:count]
        if len(found) < count:
            failed = _ranked(store, [row.hash for row in _failed(store, count, rest)], rest)
            found += [row for row in failed if row.status is not Status.OK][: count - len(found)]
    return found


def frontier_leaders(store: Store, count: int, digest: Digest | None = None) -> dict[int, list[Ranked]]:
    """The best programs that train, for each number of state arrays; arguments as of :func:`leaders`."""
    with store.moment():
        rest = (digest or read_digest(store)).rest
        numbers = {*_numbers_of_states(store), *(row.individual.num_states for row in rest.values())}
        found = {}
        for number in sorted(numbers):
            own = {h: row for h, row in rest.items() if row.individual.num_states == number}
            names = [row.hash for row in _best(store, number, count, rest)]
            rows = _ranked(store, names, own)
            found[number] = [row for row in rows if row.status is Status.OK][:count]
    return {number: rows for number, rows in found.items() if rows}


def ranking_of(store: Store, hashes: Iterable[str]) -> Ranking:
    """Some programs by all that the log says of them; not for many."""
    ranking = _ranking(store)
    for some in chunks(hashes):
        _add(ranking, store.with_hashes(some))
    return ranking


# The counts: those that were kept, and those of the rest.


def _kept(store: Store, *, with_lines: bool) -> Digest:
    value = store.run_facts().get(DIGEST_FACT)
    if value is None or (with_lines and "lines" not in value):  # an earlier version kept no lines
        return Digest(lines=Lines(store, 0, {}) if with_lines else None)
    lines = {
        Key(Kind(kind), n): [BestPoint(*p) for p in points] for kind, n, points in value.get("lines", ())
    }
    return Digest(
        value["num_individuals"],
        value["last_evaluation"],
        [IndividualGroup(Outcome(o), Status(s), *rest) for o, s, *rest in value["individuals"]],
        [TrainingGroup(task, Status(s), *rest) for task, s, *rest in value["trainings"]],
        [FailureGroup(Status(s), *rest) for s, *rest in value["failures"]],
        Counter(value["fitter"]),
        lines=Lines(store, value["num_individuals"], lines) if with_lines else None,
    )


def _go_on(store: Store, digest: Digest) -> None:
    """Adds the rest of the log."""
    start, after = digest.num_individuals, digest.last_evaluation
    digest.individuals = _joined_individuals([*digest.individuals, *individual_groups(store, start)])
    digest.trainings = _joined_trainings([*digest.trainings, *training_groups(store, after)])
    digest.failures = _joined_failures([*digest.failures, *failure_groups(store, after)])
    _judge_rest(store, digest)
    digest.num_individuals = sum(group.count for group in digest.individuals)
    digest.last_evaluation = last_evaluation(store)


def _joined_individuals(groups: Iterable[IndividualGroup]) -> list[IndividualGroup]:
    counts: Counter[tuple[Outcome, Status, str, float, int, bool]] = Counter()
    for g in groups:
        counts[g.outcome, g.status, g.mutation, g.update_scale, g.repeat, g.is_first] += g.count
    return [IndividualGroup(*key, count) for key, count in counts.items()]


def _joined_trainings(groups: Iterable[TrainingGroup]) -> list[TrainingGroup]:
    found: dict[tuple[str, Status, bool], tuple[int, float]] = {}
    for g in groups:
        count, seconds = found.get((g.task, g.status, g.is_kept), (0, 0.0))
        found[g.task, g.status, g.is_kept] = count + g.count, seconds + g.seconds
    return [TrainingGroup(*key, *sums) for key, sums in found.items()]


def _joined_failures(groups: Iterable[FailureGroup]) -> list[FailureGroup]:
    found: dict[tuple[Status, str], FailureGroup] = {}
    for g in groups:
        before = found.get((g.status, g.reason), FailureGroup(g.status, g.reason, 0, g.example))
        found[g.status, g.reason] = FailureGroup(g.status, g.reason, before.count + g.count, before.example)
    return list(found.values())


# The programs: walking on through the log in its order, from what was kept of those that are met again.


def _judge_rest(store: Store, digest: Digest) -> None:
    start = digest.num_individuals
    individuals = list(store.individuals(start=start, outcomes=HAS_OWN_SCORES))
    has_populations = len({group.repeat for group in digest.individuals}) > 1
    hits = meetings(store, start) if digest.lines is not None and has_populations else []
    own = _by_individual(store.evaluations(stage=Stage.SEARCH, after=digest.last_evaluation))
    if not store.evaluations(stage=Stage.SEARCH, subject=BASELINE_SUBJECT):
        return
    ranking = _ranking(store)
    known = _known(store, {one.hash for one in individuals}) if start else []
    for hashes in chunks(known):
        _add(ranking, store.with_hashes(hashes), before=start)
    if digest.lines is not None:
        digest.lines.prepare(known if has_populations else (), [scored_id for _, _, scored_id in hits])
    parents = _Parents(store, individuals, ranking, has_kept=bool(start))
    for met in _in_order(individuals, hits):
        if isinstance(met, Individual):
            row = ranking.add(met, own.get(met.id, ()))
            if row is not None:
                _take_in(digest, met, row, parents)
        elif digest.lines is not None:
            digest.lines.meet(*met)


def _in_order(
    individuals: Sequence[Individual], hits: Sequence[tuple[int, int, int]]
) -> Iterator[Individual | tuple[int, int, int]]:
    """Individuals with scores of their own, and hits, in the order of the log."""
    return heapq.merge(individuals, hits, key=lambda met: met.id if isinstance(met, Individual) else met[0])


def _take_in(digest: Digest, one: Individual, row: Ranked, parents: _Parents) -> None:
    digest.rest[one.hash] = row
    if one.outcome in NOVEL and row.status is Status.OK and parents.are_worse(one, row.judged):
        digest.fitter[mutation_kind(one.mutation)] += 1
    if digest.lines is not None:
        digest.lines.add(one, row)


class _Parents:
    """What the parents of individuals were judged by when the ranking had come as far as it has."""

    def __init__(
        self, store: Store, individuals: Sequence[Individual], ranking: Ranking, *, has_kept: bool
    ) -> None:
        self._ranking = ranking
        numbers = {i.parent_id for i in individuals if i.outcome in NOVEL and i.parent_id is not None}
        self._hashes = store.scored_hashes(numbers)
        self._kept = dict(_kept_judged(store, set(self._hashes.values()))) if has_kept else {}

    def are_worse(self, one: Individual, judged: float) -> bool:
        """Whether an individual's parent was judged to be less than that; it failed, or lower."""
        if one.parent_id is None:
            return False
        hash_ = self._hashes[one.parent_id]
        row = self._ranking.get(hash_)
        before = self._kept.get(hash_) if row is None else row.judged if row.status is Status.OK else None
        return before is None or judged > before


def _known(store: Store, hashes: Iterable[str]) -> list[str]:
    """Those that the table has."""
    query = sa.select(PROGRAMS.c.hash)
    with store.transaction() as connection:
        rows = (
            row
            for some in chunks(hashes)
            for row in connection.execute(query.where(PROGRAMS.c.hash.in_(some)))
        )
        return [row[0] for row in rows]


def _kept_judged(store: Store, hashes: Iterable[str]) -> Iterator[tuple[str, float]]:
    query = sa.select(PROGRAMS.c.hash, PROGRAMS.c.judged).where(PROGRAMS.c.judged.is_not(None))
    with store.transaction() as connection:
        for some in chunks(hashes):
            yield from map(tuple, connection.execute(query.where(PROGRAMS.c.hash.in_(some))))


def _ranking(store: Store) -> Ranking:
    baseline = store.evaluations(stage=Stage.SEARCH, subject=BASELINE_SUBJECT)
    return Ranking(Judge([row.score for row in baseline], judge_settings(store)))


def _by_individual(evaluations: Iterable[Evaluation]) -> dict[int, list[Evaluation]]:
    found: dict[int, list[Evaluation]] = {}
    for one in evaluations:
        if one.individual_id is not None:
            found.setdefault(one.individual_id, []).append(one)
    return found


def _add(
    ranking: Ranking, records: tuple[Sequence[Individual], Sequence[Evaluation]], before: int | None = None
) -> None:
    own = _by_individual(records[1])
    for one in records[0]:
        if before is None or one.id < before:
            ranking.add(one, own.get(one.id, ()))


# The best: from the table what was kept, and the rest.

_KEPT = (PROGRAMS.c.hash, PROGRAMS.c.judged, PROGRAMS.c.individual_id)


def _numbers_of_states(store: Store) -> list[int]:
    if DIGEST_FACT not in store.run_facts():
        return []
    with store.transaction() as connection:
        return list(connection.scalars(sa.select(PROGRAMS.c.num_states).distinct()))


def _best(store: Store, num_states: int, count: int, rest: dict[str, Ranked]) -> list[sa.Row[Any]]:
    """The best with so many states, but those that were judged anew since."""
    own = PROGRAMS.c
    query = sa.select(*_KEPT).where(own.num_states == num_states, own.judged.is_not(None))
    return _first(store, query.order_by(own.judged.desc(), own.individual_id), count, rest)


def _failed(store: Store, count: int, rest: dict[str, Ranked]) -> list[sa.Row[Any]]:
    own = PROGRAMS.c
    query = sa.select(*_KEPT).where(own.judged.is_(None)).order_by(own.individual_id)
    return _first(store, query, count, rest)


def _first(store: Store, query: sa.Select[Any], count: int, rest: dict[str, Ranked]) -> list[sa.Row[Any]]:
    if DIGEST_FACT not in store.run_facts():  # nothing was kept, and an older log has no such table
        return []
    limited = query.limit(count + len(rest))
    with store.transaction() as connection:
        kept = (row for row in connection.execute(limited) if row.hash not in rest)
        return list(itertools.islice(kept, count))


def _ranked(store: Store, hashes: Sequence[str], rest: dict[str, Ranked]) -> list[Ranked]:
    """Programs of the table and those of the rest, the best first; ties in the order of the log."""
    rows = list(rest.values())
    if hashes:
        rows += ranking_of(store, hashes).ranked()
    rows.sort(key=lambda row: row.individual.id)
    return sorted(rows, key=lambda row: (row.status is Status.OK, row.judged), reverse=True)


def _row(one: Ranked) -> dict[str, object]:
    is_ok = one.status is Status.OK
    return {
        "hash": one.hash,
        "individual_id": one.individual.id,
        "num_states": one.individual.num_states,
        "num_seeds": one.num_seeds,
        "fitness": one.fitness if is_ok else None,
        "judged": one.judged if is_ok else None,
    }
