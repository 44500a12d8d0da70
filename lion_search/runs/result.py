"""What a finished run hands over: a summary and exported programs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.scores import describe_failure
from lion_search.results.judge import JudgeSettings
from lion_search.results.store import Store
from lion_search.results.strict_json import to_json
from lion_search.runs.folder import EXPORTS_FOLDER, RESULT_NAME, make_folder, write_file
from lion_search.runs.origin import notes_in_run
from lion_search.runs.simplify_record import SimplifyRecord
from lion_search.search.progress import Progress
from lion_search.selection.comparison import Measurement
from lion_search.selection.finalists import Finalist


@dataclass(frozen=True, slots=True)
class Best:
    """The best of a niche; of all, if the search had none.

    Attributes:
        niche: its title.
        finalists: the winner first.
        program: the winner's text without what is redundant.
        simplification: of the winner: the record.
        exports: the files written.
    """

    niche: str
    finalists: tuple[Finalist, ...]
    program: str
    simplification: SimplifyRecord
    exports: tuple[Path, ...]

    @property
    def winner(self) -> Finalist:
        """The best on fresh seeds."""
        return self.finalists[0]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run hands over.

    Attributes:
        folder: the run's folder.
        progress: the search's last snapshot.
        judged_by: what was taken off fitness.
        frontier: the best of each niche in which something trains.
        test_rows: losses on test: the winners, then what they are compared with.
    """

    folder: Path
    progress: Progress
    judged_by: JudgeSettings
    frontier: tuple[Best, ...]
    test_rows: tuple[Measurement, ...]

    @property
    def best(self) -> Best:
        """The best of all niches by fitness on fresh seeds, prices taken off."""
        return max(self.frontier, key=lambda best: best.winner.fitness - best.winner.price)


def write_exports(
    folder: Path, store: Store, winner: Finalist, programs: Mapping[str, Program]
) -> tuple[Path, ...]:
    """Writes programs for the exports that are made in runs; those of an earlier end of the run are replaced.

    Args:
        folder: the run's folder.
        store: its log.
        winner: what they were made of.
        programs: by the name of the file, and of the optimizer in it.
    """
    exports = folder / EXPORTS_FOLDER
    make_folder(exports)
    tuned = ", its constants tuned" if winner.is_tuned else ""
    title = f"Individual {winner.individual.id} of run {folder.name}{tuned}, found by lion-search"
    files = {}
    for name, program in programs.items():
        about = About(name, title, notes_in_run(store, folder.resolve().name, winner.individual.id, program))
        for export in filter(lambda e: e.in_runs, EXPORTS.values()):
            with contextlib.suppress(ProgramError):  # a function of the user's own may have no code for it
                files[exports / f"{name}{export.suffix}"] = export.write(program, about)
    for path, text in files.items():
        write_file(path, text)
    return tuple(files)


def write_result(result: RunResult) -> None:
    """Writes the summary last and at once: a run that has one is finished."""
    write_file(result.folder / RESULT_NAME, to_json(summary(result), indent=1) + "\n")


def summary(result: RunResult) -> dict[str, Any]:
    """The result as JSON values."""
    return {
        **_summary_of(result.best, result.folder),
        "frontier": [_summary_of(best, result.folder) for best in result.frontier],
        "search": {**asdict(result.progress), "hit_rate": result.progress.hit_rate},
        "judged_by": result.judged_by,
        "test": [
            {
                "optimizer": row.name,
                "task": row.task,
                "mean_loss": row.mean,
                "standard_error": row.standard_error,
                "num_seeds": row.num_seeds,
                "status": row.status,
                "failure": None if row.failure is None else describe_failure(row.failure),
            }
            for row in result.test_rows
        ],
    }


def _summary_of(best: Best, folder: Path) -> dict[str, Any]:
    return {
        "niche": best.niche,
        "winner": f"{folder.name}:{best.winner.individual.id}",
        "is_tuned": best.winner.is_tuned,
        "fitness": best.winner.fitness,
        "num_states": best.winner.individual.num_states,
        "program": best.program,
        "simplified": best.simplification.simplified,
        "recognized": best.simplification.recognized,
        "finalists": [
            {
                "id": f.individual.id,
                "is_tuned": f.is_tuned,
                "search_fitness": f.search_fitness,
                "fitness": f.fitness,
                "price": f.price,
            }
            for f in best.finalists
        ],
        "exports": [str(path.relative_to(folder)) for path in best.exports],
    }
