"""Looking at runs from outside: one while another process drives it, or all of those under ``runs/``.

Nothing here writes. What a run's driver knows of itself it stores as facts in the run's database, together
with the log: ``progress``, a :class:`Progress`, and ``phase``. Whether it lives is told by its lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.exc import OperationalError

from lion_search.dsl.errors import LionSearchError
from lion_search.results.records import PHASE_FACT, PROGRESS_FACT
from lion_search.results.store import Store, StoreError
from lion_search.results.strict_json import to_json
from lion_search.runs.display import make_display, progress_cells
from lion_search.runs.folder import (
    CONFIG_NAME,
    RESULT_NAME,
    RUNS_FOLDER,
    RunFolderError,
    RunState,
    database_of,
    holder,
    state_of,
)
from lion_search.runs.references import find_run
from lion_search.search.progress import Progress

_PATIENCE = 5
"""How often in a row the database may refuse; each time a lock is waited for, for 5 seconds."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run as another process sees it.

    Attributes:
        state: where it stands.
        phase: what its driver does, or last did; ``None`` before its first phase.
        progress: of its search; ``None`` before that has begun.
        started: ISO time; ``None`` where the run does not say.
    """

    state: RunState
    phase: str | None
    progress: Progress | None
    started: str | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a list; what cannot be known is ``None``.

    Attributes:
        name: of its folder.
        state: where it stands.
        phase: what its driver does, or last did.
        started: ISO time.
        num_programs: individuals committed.
        num_evaluated: how many of them were trained.
        best_fitness: highest of the search.
        note: why it cannot be read, or nothing.
    """

    name: str
    state: RunState | None = None
    phase: str | None = None
    started: str | None = None
    num_programs: int | None = None
    num_evaluated: int | None = None
    best_fitness: float | None = None
    note: str = ""


def read_snapshot(folder: Path) -> Snapshot:
    """The run in a folder at this moment.

    Raises:
        StoreError: its database cannot be read.
        RunFolderError: its folder cannot, or its progress is that of another version.
    """
    state = state_of(folder)  # before the facts, so that those of a run that has ended are its last
    store = Store.open(database_of(folder))
    try:
        facts = store.run_facts()
    finally:
        store.close()  # at once: a driver that closes its log needs the file for itself
    return Snapshot(state, facts.get(PHASE_FACT), _progress(facts), facts.get("started"))


def _progress(facts: Mapping[str, Any]) -> Progress | None:
    if PROGRESS_FACT not in facts:
        return None
    try:
        return Progress(**facts[PROGRESS_FACT])
    except TypeError as error:
        raise RunFolderError("the run's progress was written by another version of lion-search") from error


# One run.


def watch(
    run: str,
    console: Console,
    *,
    follow: bool = True,
    as_json: bool = False,
    interval_seconds: float = 1.0,
) -> None:
    """Shows a run until it ends, then how it ended; Ctrl-C ends the watching only.

    Args:
        run: a run folder, or a name under ``runs/``.
        console: where it is shown.
        follow: whether to go on until the run ends, or to show it once.
        as_json: whether to print a JSON object a line for each look instead.
        interval_seconds: between two looks.

    Raises:
        UnknownReferenceError: there is no such run.
        StoreError: its database cannot be read, and not for a moment only.
        RunFolderError: its folder cannot be read.
    """
    folder = find_run(run)
    looks = islice(_looks(folder, interval_seconds), None if follow else 1)
    try:
        if as_json:
            for look in looks:
                console.out(to_json(_snapshot_json(folder, look)), highlight=False)
        else:
            state = _show(console, folder.resolve().name, looks, follow=follow)
            _say_where_it_stands(console, run, folder, state)
    except KeyboardInterrupt:
        if not as_json:
            _say(console, "No longer watching; the run was not stopped.")


def _looks(folder: Path, interval_seconds: float) -> Iterator[Snapshot]:
    """Snapshots until the run is no longer driven, one at least; a database may refuse for a moment."""
    num_refusals = 0
    while True:
        try:
            snapshot = read_snapshot(folder)
        except StoreError as error:
            num_refusals += 1
            if num_refusals > _PATIENCE or not isinstance(error.__cause__, OperationalError):
                raise
        else:
            num_refusals = 0
            yield snapshot
            if snapshot.state is not RunState.RUNNING:
                return
        time.sleep(interval_seconds)


def _show(console: Console, name: str, looks: Iterable[Snapshot], *, follow: bool) -> RunState:
    """Shows the snapshots as the run itself does, phases as they come, and leaves the last one there."""
    shown_phase: str | None = ""
    state, progress = RunState.INTERRUPTED, None
    with make_display(console, f"lion-search: {escape(name)}", quiet=not follow) as display:
        for look in looks:
            state, progress = look.state, look.progress
            if look.phase != shown_phase:
                shown_phase = look.phase
                _say(console, f"Phase: {look.phase or 'preparation'}")
            if progress is not None:
                display.show(progress)
    if progress is not None:
        _say(console, "; ".join(f"{title.lower()} {value}" for title, value in progress_cells(progress)))
    return state


def _say_where_it_stands(console: Console, run: str, folder: Path, state: RunState) -> None:
    match state:
        case RunState.RUNNING:
            _say(console, f"Running, driven by {holder(folder) or 'a process that has just ended'}.")
        case RunState.FINISHED:
            winner = _winner(folder)
            _say(console, f"Finished. Winner: {winner}" if winner else "Finished.")
            _say(console, f"Look at the best: lion-search top {run}")
        case RunState.INTERRUPTED:
            _say(console, f"Interrupted. Go on with it: lion-search resume {run}")


def _winner(folder: Path) -> str | None:
    """The winner's reference; ``None`` where there is no result, or it was cut off."""
    try:
        return str(json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))["winner"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _snapshot_json(folder: Path, look: Snapshot) -> dict[str, Any]:
    return {
        "state": look.state,
        "phase": look.phase,
        "progress": look.progress,
        "winner": _winner(folder) if look.state is RunState.FINISHED else None,
    }


# All runs.


def list_runs(folder: Path = Path(RUNS_FOLDER)) -> list[RunRow]:
    """The runs in a folder, the newest first; one that cannot be read is a row with a note."""
    found = [path.parent for path in folder.glob(f"*/{CONFIG_NAME}") if path.is_file()]
    rows = [(_row(run), run / CONFIG_NAME) for run in found]
    rows.sort(key=lambda pair: (_age_key(*pair), pair[0].name), reverse=True)
    return [row for row, _ in rows]


def _row(folder: Path) -> RunRow:
    state = None
    try:
        state = state_of(folder)
        look = read_snapshot(folder)
    except LionSearchError as error:
        return RunRow(folder.name, state, note=str(error))
    row = RunRow(folder.name, look.state, look.phase, look.started)
    if (progress := look.progress) is None:
        return row
    return replace(
        row,
        num_programs=progress.num_programs,
        num_evaluated=progress.num_evaluated,
        best_fitness=progress.best_fitness,
    )


def _age_key(row: RunRow, config: Path) -> datetime:
    """When a run began; where it does not say, when its configuration was written."""
    if row.started is not None:
        return datetime.fromisoformat(row.started)
    return datetime.fromtimestamp(config.stat().st_mtime, UTC)


def print_runs(console: Console, rows: Sequence[RunRow], *, as_json: bool = False) -> None:
    """A table of runs, or a JSON array."""
    if as_json:
        console.out(to_json(rows, indent=1), highlight=False)
        return
    if not rows:
        _say(console, "No runs here yet. Begin one: lion-search run --config quickstart")
        return
    has_notes = any(row.note for row in rows)
    titles = ("State", "Phase", "Started", "Programs", "Evaluated", "Best fitness")
    notes = [Column("Note", overflow="fold")] if has_notes else []
    table = Table(Column("Run", overflow="fold"), *titles, *notes)
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)[: len(table.columns)]))
    console.print(table)


def _cells(row: RunRow) -> tuple[str, ...]:
    return (
        row.name,
        row.state or "",
        row.phase or "",
        row.started or "",
        "" if row.num_programs is None else f"{row.num_programs:,}",
        "" if row.num_evaluated is None else f"{row.num_evaluated:,}",
        "" if row.best_fitness is None else f"{row.best_fitness:+.4f}",
        row.note,
    )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
