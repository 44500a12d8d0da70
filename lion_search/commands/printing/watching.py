"""Runs looked at from another terminal: one until it ends, or a table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from lion_search.analysis.watching import RunRow, Snapshot, snapshots, winner_of
from lion_search.commands.printing.display import make_display, progress_cells
from lion_search.commands.printing.terminal import say
from lion_search.results.strict_json import to_json
from lion_search.runs.lock import RunState, holder
from lion_search.runs.references import find_run

_say = partial(say, soft_wrap=True)


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
    looks = islice(snapshots(folder, interval_seconds), None if follow else 1)
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
            winner = winner_of(folder)
            _say(console, f"Finished. Winner: {winner}" if winner else "Finished.")
            _say(console, f"Look at the best: lion-search top {run}")
        case RunState.INTERRUPTED:
            _say(console, f"Interrupted. Go on with it: lion-search resume {run}")


def _snapshot_json(folder: Path, look: Snapshot) -> dict[str, Any]:
    return {
        "state": look.state,
        "phase": look.phase,
        "progress": look.progress,
        "winner": winner_of(folder) if look.state is RunState.FINISHED else None,
    }


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
