"""A run as a value to look into: what its log and its result hold, as data frames and programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.analysis.watching import read_snapshot
from lion_search.api import frames
from lion_search.api.found import FoundProgram
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural, signed
from lion_search.dsl.text import parse
from lion_search.report.material import Material, Winner, load_functions, open_material
from lion_search.results.ranking import rank
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.runs.folder import database_of
from lion_search.runs.lock import state_of
from lion_search.runs.origin import note_of, notes_in_run, notes_on
from lion_search.runs.references import find_program, find_run

if TYPE_CHECKING:
    import pandas as pd


def load(run: str | Path) -> Run:
    """A run to look into: one that goes on, was killed or is finished.

    Nothing is written, and nothing is kept: each method reads the log as it is by then.

    Args:
        run: the run's folder, or its name under ``runs/``.

    Raises:
        LionSearchError: there is no such run.
    """
    return Run(find_run(str(run)))


@dataclass(frozen=True, slots=True)
class Run:
    """A run in its folder; ``load`` and ``search`` give one.

    ``run[17]`` is its individual 17, as a `FoundProgram`. Every method raises a LionSearchError where the log
    cannot be read, those of data frames also without pandas (``pip install 'lion-search[notebook]'``).

    Attributes:
        folder: holds its files.
    """

    folder: Path

    @property
    def name(self) -> str:
        """What it is called: its folder's name."""
        return self.folder.resolve().name

    @property
    def state(self) -> str:
        """Where it stands: ``running``, ``finished`` or ``interrupted``."""
        return str(state_of(self.folder))

    @property
    def config(self) -> dict[str, Any]:
        """Its configuration, all defaults filled in, by key."""
        with self._log() as store:
            return dict(store.run_facts()["config"])

    @property
    def best(self) -> FoundProgram:
        """Its winner, or the best so far.

        Raises:
            LionSearchError: nothing trains yet.
        """
        winners = self.winners()
        if not winners:
            raise LionSearchError(f"run '{self.folder}' has no program yet that trains")
        return winners[0]

    def winners(self) -> list[FoundProgram]:
        """The best of each niche, the winner of all first; of an unfinished run the best so far."""
        with open_material(self.folder) as material:
            load_functions(material)
            return [self._winner(material, own) for own in material.winners]

    def __getitem__(self, individual_id: int) -> FoundProgram:
        reference = f"{self.folder}:{individual_id}"
        found = find_program(reference)
        return FoundProgram(reference, found.name, found.program, notes=notes_on(reference, found))

    def ranking(self) -> pd.DataFrame:
        """All programs that were trained, the best first.

        Returns:
            By ``id``, of the first individual that is it: ``fitness`` (mean over ``seeds`` trainings; 0 is
            tuned AdamW, higher is better; NaN where training failed), ``judged`` (what decides: less caution
            and prices), ``status``, ``states`` (arrays as large as the weights), ``statements``,
            ``live_statements``, ``mutation``, ``hash``.
        """
        with self._log() as store:
            return frames.ranking(rank(store, Stage.SEARCH))

    def history(self) -> pd.DataFrame:
        """How the search came to its best.

        Returns:
            For each ``line`` (``all``, and each niche and population if there are several) a row where its
            best changed and one at the end: ``programs`` in the log by then, ``id`` of the best, its
            ``fitness``, ``judged`` and ``seeds`` as the search knew them.
        """
        with open_material(self.folder) as material:
            return frames.history(material.history)

    def individuals(self) -> pd.DataFrame:
        """The log's individuals in order, by ``id``: parent, mutation, program text, outcome, sizes."""
        with self._log() as store:
            return frames.individuals(store.individuals())

    def evaluations(self) -> pd.DataFrame:
        """The log's trainings in order: what for, of what, task, part, seed, status, raw loss, seconds."""
        with self._log() as store:
            return frames.evaluations(store.evaluations())

    def test(self) -> pd.DataFrame:
        """Losses on test data of the winners and what they are compared with.

        Returns:
            ``optimizer``, ``task``, ``mean_loss`` (of ``num_seeds`` trainings, the same seeds for all),
            ``standard_error``, ``status``, ``failure``.

        Raises:
            LionSearchError: the run has no result yet.
        """
        with open_material(self.folder) as material:
            if material.result is None:
                raise LionSearchError(f"run '{self.folder}' has no test yet: it is {self.state}")
            rows = material.result["test"]
        names = ("optimizer", "task", "mean_loss", "standard_error", "num_seeds", "status", "failure")
        return frames.table({name: [row[name] for row in rows] for name in names})

    @contextmanager
    def _log(self) -> Iterator[Store]:
        with closing(Store.open(database_of(self.folder))) as store:
            yield store

    def _winner(self, material: Material, winner: Winner) -> FoundProgram:
        own = self._program(material, winner, parse(winner.program), "winner")
        if not winner.simplified:
            return own
        simplified = self._program(material, winner, parse(winner.simplified), "simplified")
        return replace(own, simplified=simplified)

    def _program(self, material: Material, winner: Winner, program: Program, name: str) -> FoundProgram:
        recognized = winner.recognized if name == "simplified" else ""
        notes = (*note_of(recognized), *notes_in_run(material.store, self.name, winner.id, program))
        reference = f"{self.folder}:{winner.id}"
        return FoundProgram(reference, name, program, winner.niche, winner.fitness, recognized, notes)

    def __str__(self) -> str:
        snapshot = read_snapshot(self.folder)
        standing = f"{self.folder}: {snapshot.state}"
        if snapshot.phase is not None and snapshot.phase != snapshot.state:
            standing += f" ({snapshot.phase})"
        if (progress := snapshot.progress) is None:
            return standing
        return f"{standing}, {plural(progress.num_programs, 'program')}, {progress.num_evaluated:,} evaluated"

    def _repr_html_(self) -> str:
        try:
            standing, winners = str(self), self.winners()
        except LionSearchError as error:  # such as a function of the user's own that is gone
            return f"<p>{escape(repr(self))}</p><p>{escape(str(error))}</p>"
        rows = [_HEAD, *map(_cells, winners)] if winners else []
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<p>{escape(standing)}</p><table>{body}</table>"


_HEAD = ("Best of", "Program", "Fitness", "Statements", "What it is")


def _cells(winner: FoundProgram) -> tuple[str, ...]:
    fitness = "" if winner.fitness is None else signed(winner.fitness)
    shortest = winner.simplified or winner
    return (
        winner.niche, winner.reference, fitness, str(len(shortest.program.statements)), shortest.recognized
    )  # fmt: skip
