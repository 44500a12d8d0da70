"""Runs looked at from another terminal: one until it ends, or a table of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from lion_search.analysis.watching import RunRow, Snapshot, snapshots, winner_of
from lion_search.commands.printing.display import Screen, make_screen, progress_cells
from lion_search.commands.printing.interruption import until_interrupted
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say, say_line
from lion_search.dsl.shown import signed
from lion_search.results.strict_json import to_json
from lion_search.runs.claim import driver_of
from lion_search.runs.lock import RunState
from lion_search.runs.references import find_log, name_of, told
from lion_search.search.progress import Progress

_RUNS = (
    Column("Run", name=True),
    Column("State"),
    Column("Phase", drop=4),
    Column("Started", drop=3),
    Column("Programs", right=True, drop=2),
    Column("Evaluated", right=True, drop=5),
    Column("Best fitness"),
    Column("Note", prose=True),
)


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
        run: a run folder, a name under ``runs/``, or the URL of a log.
        console: where it is shown.
        follow: whether to go on until the run ends, or to show it once.
        as_json: whether to print a JSON object a line for each look instead.
        interval_seconds: between two looks.

    Raises:
        UnknownReferenceError: there is no such run.
        StoreError: its database cannot be read, and not for a moment only.
        RunFolderError: its folder cannot be read.
    """
    where = find_log(run)
    try:
        looks = until_interrupted(islice(snapshots(where, interval_seconds), None if follow else 1))
        if as_json:
            for look in looks:
                console.out(to_json(_snapshot_json(where, look)), highlight=False)
        else:
            with make_screen(console) as screen:
                state, progress = _show(screen, name_of(run), looks)
            if progress is not None and console.is_terminal:  # where the panel was
                print_table(console, (Column(""), Column("", prose=True)), progress_cells(progress))
            _say_where_it_stands(console, told(run), where, state)
    except KeyboardInterrupt:
        if not as_json:
            say(console, "No longer watching; the run was not stopped.")


def _show(screen: Screen, name: str, looks: Iterable[Snapshot]) -> tuple[RunState, Progress | None]:
    """Shows the snapshots as the run itself does, and phases as they come; the last ones."""
    shown_phase: str | None = ""
    state, progress = RunState.INTERRUPTED, None
    with screen.display(name) as show:
        for look in looks:
            state, progress = look.state, look.progress
            if look.phase != shown_phase:
                shown_phase = look.phase
                screen.report(f"Phase: {look.phase or 'preparation'}")
            if progress is not None:
                show(progress)
    return state, progress


def _say_where_it_stands(console: Console, run: str, where: Path | str, state: RunState) -> None:
    match state:
        case RunState.RUNNING:
            say(console, f"Running, driven by {driver_of(where) or 'a process that has just ended'}.")
        case RunState.FINISHED:
            winner = _winner(where)
            say(console, f"Finished. Winner: {winner}" if winner else "Finished.")
            say_line(console, f"Look at the best: lion-search top {run}")
        case RunState.INTERRUPTED:
            folder = run if isinstance(where, Path) else "FOLDER, where its folder is"
            say_line(console, f"Interrupted. Go on with it: lion-search resume {folder}")


def _winner(where: Path | str) -> str | None:
    """Known to the run's folder only."""
    return winner_of(where) if isinstance(where, Path) else None


def _snapshot_json(where: Path | str, look: Snapshot) -> dict[str, Any]:
    return {
        "state": look.state,
        "phase": look.phase,
        "progress": look.progress,
        "winner": _winner(where) if look.state is RunState.FINISHED else None,
    }


def print_runs(console: Console, rows: Sequence[RunRow]) -> None:
    """A table of runs."""
    if not rows:
        say(console, "No runs here yet. Begin one: lion-search run --config quickstart")
        return
    print_table(console, _RUNS, map(_cells, rows))


def _cells(row: RunRow) -> tuple[str, ...]:
    return (
        row.name,
        row.state or "",
        row.phase or "",
        "" if row.started is None else _local_time(row.started),
        "" if row.num_programs is None else f"{row.num_programs:,}",
        "" if row.num_evaluated is None else f"{row.num_evaluated:,}",
        "" if row.best_fitness is None else signed(row.best_fitness),
        row.note,
    )


def _local_time(iso_time: str) -> str:
    return f"{datetime.fromisoformat(iso_time).astimezone():%Y-%m-%d %H:%M}"
