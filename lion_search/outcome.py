"""What a finished run hands over: a summary and exported programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lion_search.dsl.export_optax import to_optax
from lion_search.dsl.text import format_program
from lion_search.results.judge import JudgeSettings
from lion_search.run_folder import EXPORTS_FOLDER, RESULT_NAME, make_folder, write_file
from lion_search.search.progress import Progress
from lion_search.selection.comparison import Row
from lion_search.selection.finalists import Finalist
from lion_search.simplify.redundancy import Simplification


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run hands over.

    Attributes:
        folder: the run's folder.
        progress: the search's last snapshot.
        judged_by: what was taken off fitness.
        finalists: the winner first.
        test_rows: losses on test: the winner, then what it is compared with.
        simplification: of the winner's genome.
        exports: the files written.
    """

    folder: Path
    progress: Progress
    judged_by: JudgeSettings
    finalists: tuple[Finalist, ...]
    test_rows: tuple[Row, ...]
    simplification: Simplification
    exports: tuple[Path, ...]


def write_exports(folder: Path, winner: Finalist, simplification: Simplification) -> tuple[Path, ...]:
    """Writes the winner as optax code and as a program; those of an earlier end of the run are replaced."""
    exports = folder / EXPORTS_FOLDER
    make_folder(exports)
    program = simplification.after
    title = f"Individual {winner.individual.id} of run {folder.name}, found by lion-search"
    files = {
        exports / "winner_optax.py": to_optax(program, "winner", title),
        exports / "winner.py": f"# {title}: the program itself\n{format_program(program)}",
    }
    for path, text in files.items():
        write_file(path, text)
    return tuple(files)


def write_result(result: RunResult) -> None:
    """Writes the summary last and at once: a run that has one is finished."""
    write_file(result.folder / RESULT_NAME, json.dumps(summary(result), indent=1) + "\n")


def summary(result: RunResult) -> dict[str, Any]:
    """The result as JSON values."""
    return {
        "winner": f"{result.folder.name}:{result.finalists[0].individual.id}",
        "program": format_program(result.simplification.after),
        "search": {**asdict(result.progress), "hit_rate": result.progress.hit_rate},
        "judged_by": asdict(result.judged_by),
        "finalists": [
            {
                "id": f.individual.id,
                "search_fitness": f.search_fitness,
                "fitness": f.fitness,
                "price": f.price,
            }
            for f in result.finalists
        ],
        "test": [
            {
                "optimizer": row.name,
                "task": row.task,
                "mean_loss": row.mean,
                "standard_error": row.standard_error,
                "num_seeds": row.num_seeds,
            }
            for row in result.test_rows
        ],
        "exports": [str(path.relative_to(result.folder)) for path in result.exports],
    }
