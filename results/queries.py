"""Aggregates of a log, computed by the database, so that a log of a million individuals takes seconds.

Trainings are the evaluations of the search that it paid for: those of the baseline and those copied from an
earlier run are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import HITS, Outcome, Stage, mutation_kind
from lion_search.results.schema import EVALUATIONS, INDIVIDUALS
from lion_search.results.store import Store

# The baseline's rows belong to no individual, so the join leaves them out.
_TRAININGS = EVALUATIONS.join(INDIVIDUALS, INDIVIDUALS.c.id == EVALUATIONS.c.individual_id)
_PAID = sa.and_(EVALUATIONS.c.stage == Stage.SEARCH, INDIVIDUALS.c.outcome != Outcome.REUSED)


@dataclass(frozen=True, slots=True)
class IndividualGroup:
    """How many individuals are alike in all of this.

    Attributes:
        outcome: what the search did with them.
        status: how the trainings they refer to ended.
        mutation: its kind, or ``SEVERAL``.
        update_scale: what was folded into their updates.
        repeat: their population.
        is_first: whether their scores were first made for them.
        count: how many they are.
    """

    outcome: Outcome
    status: Status
    mutation: str
    update_scale: float
    repeat: int
    is_first: bool
    count: int


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """How many trainings are alike in all of this, and what they took.

    Attributes:
        task: the task's name.
        status: how they ended.
        is_kept: whether the program trained is the individual's own, not another update scale of it.
        count: how many they are.
        seconds: of all together.
    """

    task: str
    status: Status
    is_kept: bool
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """How many trainings failed alike.

    Attributes:
        status: how they ended.
        reason: why.
        count: how many they are.
        example: the first individual to which one belongs.
    """

    status: Status
    reason: str
    count: int
    example: int


@dataclass(frozen=True, slots=True)
class Window:
    """What became of some individuals that follow each other in the log.

    Attributes:
        end: how many the log has up to the last of them.
        count: how many they are.
        hit_rate: share of hits, in [0, 1].
        redundant_share: mean share of redundant statements, in [0, 1].
    """

    end: int
    count: int
    hit_rate: float
    redundant_share: float


def failure_groups(store: Store, after: int = 0) -> list[FailureGroup]:
    """Why trainings of the search failed, but for hurdles; ``after``: of rows with a higher number."""
    own = EVALUATIONS.c
    failed = own.status.not_in([Status.OK, Status.STOPPED])
    count = sa.func.count().label("num")
    query = (
        sa.select(own.status, own.reason, count, sa.func.min(own.individual_id).label("example"))
        .select_from(_TRAININGS)
        .where(_PAID, failed, own.id > after)
        .group_by(own.status, own.reason)
    )
    with store.transaction() as connection:
        return [
            FailureGroup(Status(row.status), row.reason, row.num, row.example)
            for row in connection.execute(query)
        ]


def individual_groups(store: Store, start: int = 0) -> list[IndividualGroup]:
    """Individuals from a number on, counted by what they have in common."""
    own = INDIVIDUALS.c
    is_first = sa.case((own.id == own.scored_id, 1), else_=0).label("is_first")
    keys = (own.outcome, own.status, own.mutation, own.update_scale, own.repeat, is_first)
    query = sa.select(*keys, sa.func.count().label("num")).where(own.id >= start).group_by(*keys)
    with store.transaction() as connection:
        return [
            IndividualGroup(
                Outcome(row.outcome),
                Status(row.status),
                mutation_kind(row.mutation),
                row.update_scale,
                row.repeat,
                bool(row.is_first),
                row.num,
            )
            for row in connection.execute(query)
        ]


def training_groups(store: Store, after: int = 0) -> list[TrainingGroup]:
    """Trainings, counted by what they have in common; ``after``: of rows with a higher number."""
    own = EVALUATIONS.c
    is_kept = sa.case((own.subject == INDIVIDUALS.c.hash, 1), else_=0).label("is_kept")
    keys = (own.task, own.status, is_kept)
    totals = (sa.func.count().label("num"), sa.func.sum(own.seconds).label("total"))
    query = sa.select(*keys, *totals).select_from(_TRAININGS).where(_PAID, own.id > after).group_by(*keys)
    with store.transaction() as connection:
        return [
            TrainingGroup(row.task, Status(row.status), bool(row.is_kept), row.num, row.total)
            for row in connection.execute(query)
        ]


def count_trainings(store: Store) -> int:
    """How many trainings the search paid for."""
    query = sa.select(sa.func.count()).select_from(_TRAININGS).where(_PAID)
    with store.transaction() as connection:
        return connection.scalars(query).one()


def samples_per_program(store: Store) -> dict[str, int]:
    """On how many seeds of each task a new program is trained that does not fail; empty if all failed."""
    first = (
        sa.select(INDIVIDUALS.c.id, INDIVIDUALS.c.hash)
        .where(INDIVIDUALS.c.outcome == Outcome.EVALUATED, INDIVIDUALS.c.status == Status.OK)
        .order_by(INDIVIDUALS.c.id)
        .limit(1)
        .subquery()
    )
    own = EVALUATIONS.c  # found by subject, for which there is an index
    is_own = sa.and_(own.subject == first.c.hash, own.individual_id == first.c.id, own.stage == Stage.SEARCH)
    query = sa.select(own.task, sa.func.count()).join_from(first, EVALUATIONS, is_own).group_by(own.task)
    with store.transaction() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def redundant_share(store: Store, last: int) -> float | None:
    """Mean share of redundant statements in the last individuals, in [0, 1]; ``None`` if there are none."""
    own = INDIVIDUALS.c
    recent = (
        sa.select(own.num_statements, own.num_live_statements)
        .order_by(own.id.desc())
        .limit(last)
        .subquery()
        .c
    )
    query = sa.select(_redundant(recent.num_statements, recent.num_live_statements))
    with store.transaction() as connection:
        return connection.scalars(query).one()


def windows(store: Store, size: int) -> list[Window]:
    """What became of the individuals of a log, of so many after each other; the last may have fewer."""
    own = INDIVIDUALS.c
    place = (own.id // size).label("place")
    is_hit = sa.case((own.outcome.in_(list(HITS)), 1), else_=0)
    query = (
        sa.select(
            sa.func.max(own.id).label("last"),
            sa.func.count().label("num"),
            sa.func.sum(is_hit).label("hits"),
            _redundant(own.num_statements, own.num_live_statements).label("redundant"),
        )
        .group_by(place)
        .order_by(place)
    )
    with store.transaction() as connection:
        return [
            Window(row.last + 1, row.num, row.hits / row.num, row.redundant)
            for row in connection.execute(query)
        ]


def last_evaluation(store: Store) -> int:
    """The highest number of a row of evaluations; 0 if there are none."""
    with store.transaction() as connection:
        return connection.scalar(sa.select(sa.func.max(EVALUATIONS.c.id))) or 0


def meetings(store: Store, start: int = 0) -> list[tuple[int, int, int]]:
    """Of each hit from a number on: its number, its population, the individual whose scores it shares."""
    own = INDIVIDUALS.c
    query = sa.select(own.id, own.repeat, own.scored_id).where(own.outcome.in_(list(HITS)), own.id >= start)
    with store.transaction() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query.order_by(own.id))]


def _redundant(num_statements: sa.ColumnElement[int], num_live: sa.ColumnElement[int]) -> sa.Function[float]:
    """The mean share of redundant statements."""
    share = 1.0 - sa.cast(num_live, sa.Float) / num_statements
    return sa.func.avg(sa.case((num_statements > 0, share), else_=0.0))
