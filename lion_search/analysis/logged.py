"""The individuals of a log as they were recorded, and as they come: ``lion-search log``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.scores import Status
from lion_search.results.digest import ranking_of
from lion_search.results.ranking import Ranking
from lion_search.results.records import Individual, Outcome
from lion_search.results.store import Store
from lion_search.runs.claim import driver_of
from lion_search.runs.events import EVENTS_NAME
from lion_search.runs.folder import database_of
from lion_search.runs.patience import patiently
from lion_search.runs.references import find_log, find_run

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class LoggedRow:
    """One individual of a log.

    Attributes:
        id: its number.
        outcome: what the search did with it.
        status: how the training it refers to ended.
        mutation: the kinds of mutation that made it.
        parent_id: the individual it was made from.
        scored_id: the individual whose scores it shares; its own number if it was new.
        statements: of its genome.
        states: state arrays that matter.
        fitness: of what it shares, over all its seeds by now; ``None`` of a failure.
        hash: its functional hash.
    """

    id: int
    outcome: Outcome
    status: Status
    mutation: str
    parent_id: int | None
    scored_id: int
    statements: int
    states: int
    fitness: float | None
    hash: str


def logged_rows(
    run: str,
    *,
    outcomes: Sequence[Outcome] = (),
    statuses: Sequence[Status] = (),
    last: int,
    follow: bool,
) -> Iterator[list[LoggedRow]]:
    """The last individuals of a run, in the order of its log, and those that are recorded from now on.

    Args:
        run: a run folder, a name under ``runs/``, or the URL of a log.
        outcomes: only these; all if there are none.
        statuses: only these; all if there are none.
        last: how many; 0 for all.
        follow: whether to go on until the run is no longer driven.

    Yields:
        Some hundred at a time; none where a second brought none.

    Raises:
        LionSearchError: there is no such run, or its database cannot be read.
    """
    where = find_log(run)
    start: int | None = None
    for _ in _looks(where, follow=follow):
        with closing(_opened(where, is_patient=follow)) as store:
            if start is None:
                start = store.start_of_last(last, outcomes, statuses) if last else 0
            for rows, end in _parts(store, start, outcomes, statuses):
                yield rows
                start = end


def logged_events(run: str, *, last: int, follow: bool) -> Iterator[list[str]]:
    """The last events of a run, and those that are written from now on, as they stand in their file.

    Arguments, what is yielded and errors are as of :func:`logged_rows`; but a URL has no events. One that was
    cut off is one, too.
    """
    folder = find_run(run)
    path, place = folder / EVENTS_NAME, 0
    for _ in _looks(folder, follow=follow):
        try:
            with path.open("rb") as file:
                file.seek(place)
                lines = file.read().decode(errors="replace").splitlines()
                lines, place = lines if place else lines[-last:], file.tell()
        except OSError as error:
            raise LionSearchError(f"cannot read '{path}': {error.strerror}") from error
        yield lines


def _looks(run: Path | str, *, follow: bool) -> Iterator[None]:
    """A look now, and where it follows one a second, up to one after the end of the run."""
    while True:
        is_driven = follow and driver_of(run) is not None  # before the look, so that none is missed
        yield
        if not is_driven:
            return
        time.sleep(1.0)


def _opened(run: Path | str, *, is_patient: bool) -> Store:
    where = database_of(run)
    return patiently(lambda: Store.open(where), 1.0) if is_patient else Store.open(where)


def _parts(
    store: Store, start: int, outcomes: Sequence[Outcome], statuses: Sequence[Status]
) -> Iterator[tuple[list[LoggedRow], int]]:
    """Rows from a number on, some hundred at a time, and the number after them."""
    end = store.num_individuals()
    with store.moment():
        waiting: list[Individual] = []
        for one in store.individuals(start=start, outcomes=outcomes or None, statuses=statuses or None):
            if one.id >= end:
                break
            waiting.append(one)
            if len(waiting) == _AT_ONCE:
                yield _rows(store, waiting), one.id + 1
                waiting = []
        yield _rows(store, waiting), end


def _rows(store: Store, individuals: Sequence[Individual]) -> list[LoggedRow]:
    if not individuals:
        return []
    scored = store.scored_hashes({one.id for one in individuals})
    ranking = ranking_of(store, set(scored.values()))
    return [_row(one, ranking, scored[one.id]) for one in individuals]


def _row(one: Individual, ranking: Ranking, hash_: str) -> LoggedRow:
    row = ranking.get(hash_)
    return LoggedRow(
        one.id, one.outcome, one.status, one.mutation, one.parent_id, one.scored_id, one.num_statements,
        one.num_states, None if row is None or row.status is not Status.OK else row.fitness, one.hash,
    )  # fmt: skip
