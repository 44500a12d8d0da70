"""Looking at runs from outside: one while another process drives it, or all of those under ``runs/``.

Nothing here writes. What a run's driver knows of itself it stores as facts in the run's database, together
with the log: ``progress``, a :class:`Progress`, and ``phase``. Whether it lives is told by its lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lion_search.dsl.errors import LionSearchError
from lion_search.results.location import studies, with_study
from lion_search.results.records import PHASE_FACT, PROGRESS_FACT
from lion_search.results.store import Store
from lion_search.runs.claim import driver_of
from lion_search.runs.folder import (
    CONFIG_NAME,
    RESULT_NAME,
    RUNS_FOLDER,
    RunFolderError,
    database_of,
)
from lion_search.runs.lock import RunState, state_of
from lion_search.runs.patience import patiently
from lion_search.runs.references import name_of
from lion_search.search.progress import Progress


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
        name: of its folder, or of its study in a database.
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


def read_snapshot(run: Path | str) -> Snapshot:
    """A run at this moment.

    Args:
        run: its folder; or the URL of its log, wherever its folder is.

    Raises:
        StoreError: its database cannot be read.
        RunFolderError: its folder cannot, or its progress is that of another version.
    """
    # Before the facts, so that those of a run that has ended are its last.
    state = state_of(run) if isinstance(run, Path) else None
    is_driven = state is None and driver_of(run) is not None
    store = Store.open(database_of(run))
    try:
        facts = store.run_facts()
    finally:
        store.close()  # at once: a driver that closes its log needs the file for itself
    phase = facts.get(PHASE_FACT)
    if state is None:
        ended = RunState.FINISHED if phase == "finished" else RunState.INTERRUPTED
        state = RunState.RUNNING if is_driven else ended
    return Snapshot(state, phase, _progress(facts), facts.get("started"))


def _progress(facts: Mapping[str, Any]) -> Progress | None:
    if PROGRESS_FACT not in facts:
        return None
    try:
        return Progress.of_json(facts[PROGRESS_FACT])
    except TypeError as error:
        raise RunFolderError("the run's progress was written by another version of lion-search") from error


def snapshots(run: Path | str, interval_seconds: float) -> Iterator[Snapshot]:
    """Snapshots until the run is no longer driven, one at least; a database may refuse for a moment."""
    while True:
        snapshot = patiently(lambda: read_snapshot(run), interval_seconds)
        yield snapshot
        if snapshot.state is not RunState.RUNNING:
            return
        time.sleep(interval_seconds)


def winner_of(folder: Path) -> str | None:
    """The winner's reference; ``None`` where there is no result, or it was cut off."""
    try:
        return str(json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))["winner"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_runs(folder: Path = Path(RUNS_FOLDER)) -> list[RunRow]:
    """The runs in a folder, the newest first; one that cannot be read is a row with a note."""
    found = [path.parent for path in folder.glob(f"*/{CONFIG_NAME}") if path.is_file()]
    rows = [(_row(run), run / CONFIG_NAME) for run in found]
    rows.sort(key=lambda pair: (_age_key(*pair), pair[0].name), reverse=True)
    return [row for row, _ in rows]


def list_studies(url: str) -> list[RunRow]:
    """The logs in a database, each island of a study for itself, by name; notes as of :func:`list_runs`.

    Raises:
        StoreError: the database cannot be read.
    """
    return [log_row(with_study(url, study)) for study in studies(url)]


def log_row(url: str) -> RunRow:
    """One log in a database."""
    name = name_of(url)
    try:
        return _told(name, read_snapshot(url))
    except LionSearchError as error:
        return RunRow(name, note=str(error))


def _row(folder: Path) -> RunRow:
    state = None
    try:
        state = state_of(folder)
        return _told(folder.name, read_snapshot(folder))
    except LionSearchError as error:
        return RunRow(folder.name, state, note=str(error))


def _told(name: str, look: Snapshot) -> RunRow:
    row = RunRow(name, look.state, look.phase, look.started)
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
