"""What a report is made of: a run's folder and log, read once, also of a run that goes on or was killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lion_search.analysis.watching import Snapshot, read_snapshot
from lion_search.dsl.errors import LionSearchError
from lion_search.results.digest import Digest, read_digest
from lion_search.results.history import History, read_history
from lion_search.results.lines import ALL
from lion_search.results.store import Store
from lion_search.runs.folder import RESULT_NAME, database_of
from lion_search.runs.own_code import load_own_functions


@dataclass(frozen=True, slots=True)
class Winner:
    """The best of a niche, or of all.

    Attributes:
        niche: its title.
        id: the individual.
        fitness: on fresh seeds; ``None`` before the selection.
        is_tuned: whether its constants were tuned after the search.
        program: its text.
        simplified: what was made of it; empty before that.
        recognized: what is known of it, in a line.
        exports: files in the run's folder.
        finalists: what it was chosen from, as the result has it.
    """

    niche: str
    id: int
    fitness: float | None = None
    is_tuned: bool = False
    program: str = ""
    simplified: str = ""
    recognized: str = ""
    exports: tuple[str, ...] = ()
    finalists: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """A run at one moment.

    Attributes:
        folder: the run's folder.
        snapshot: where it stands.
        facts: of the run.
        result: what it handed over; ``None`` before that.
        digest: what its log comes to.
        history: of its search.
        winners: of the result, the best of all first; else the best so far.
        store: the log, open for reading.
    """

    folder: Path
    snapshot: Snapshot
    facts: Mapping[str, Any]
    result: Mapping[str, Any] | None
    digest: Digest
    history: History
    winners: tuple[Winner, ...]
    store: Store

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.folder.resolve().name

    @property
    def tasks(self) -> list[str]:
        """The names of its tasks."""
        return list(self.facts.get("tasks", {}))

    def settings(self, section: str) -> Mapping[str, Any]:
        """A section of the configuration; empty where there is none."""
        found = self.facts.get("config", {}).get(section)
        return found if isinstance(found, dict) else {}


@contextmanager
def open_material(folder: Path) -> Iterator[Material]:
    """Reads a run at one moment.

    Where it stands is read first: a run that ends meanwhile is shown as it was.

    Raises:
        LionSearchError: its log cannot be read.
    """
    snapshot, result = read_snapshot(folder), _result(folder)
    with closing(Store.open(database_of(folder))) as store, store.moment():
        facts, digest = store.run_facts(), read_digest(store, with_lines=True)
        by_states = facts.get("config", {}).get("search", {}).get("niches") == "states"
        history = read_history(store, by_states=by_states, digest=digest)
        material = Material(folder, snapshot, facts, result, digest, history, (), store)
        yield replace(material, winners=_winners(material))


def load_functions(material: Material) -> None:
    """Makes the user's own functions known, which the run's programs may use.

    Raises:
        OwnCodeError: one is gone, or is another by now.
    """
    load_own_functions(material.name, material.facts)


def _result(folder: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "winner" in found else None


def _winners(material: Material) -> tuple[Winner, ...]:
    result = material.result
    if result is not None:
        rows = result.get("frontier") or [result]  # earlier versions have one winner only
        found = [_handed_over(row) for row in rows]
        return tuple(sorted(found, key=lambda w: w.id != _id_of(result["winner"])))
    history = material.history
    if ALL not in history.best:
        return ()
    best = history.best[ALL][-1].best_id
    so_far = [_so_far(material.store, niche, history.best[niche][-1].best_id) for niche in history.niches]
    return tuple(sorted(so_far, key=lambda w: w.id != best))


def _handed_over(row: Mapping[str, Any]) -> Winner:
    return Winner(
        niche=row.get("niche", ALL),
        id=_id_of(row["winner"]),
        fitness=row.get("fitness"),
        is_tuned=row.get("is_tuned", False),
        program=row.get("program", ""),
        simplified=row.get("simplified", ""),
        recognized=row.get("recognized", ""),
        exports=tuple(row.get("exports", ())),
        finalists=row.get("finalists", ()),
    )


def _id_of(reference: str) -> int:
    return int(reference.rpartition(":")[2])


def _so_far(store: Store, niche: str, number: int) -> Winner:
    """The best so far, without what is redundant; as it is where its functions are not known here."""
    from lion_search.dsl.text import format_program, parse
    from lion_search.simplify.writing.readable import readable

    individual = store.individual(number)
    assert individual is not None
    try:
        text = format_program(readable(parse(individual.program)))
    except LionSearchError:
        text = individual.program
    return Winner(niche, number, program=text)
