"""What a finished run hands over: a summary and exported programs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lion_search.dsl.cost import relative_cost
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.scores import describe_failure
from lion_search.results.judge import JudgeSettings
from lion_search.results.store import Store
from lion_search.results.strict_json import to_json
from lion_search.runs.climbing import Ascent
from lion_search.runs.folder import EXPORTS_FOLDER, RESULT_NAME, make_folder, write_file
from lion_search.runs.meta_validating import told
from lion_search.runs.origin import note_of, notes_in_run
from lion_search.runs.simplify_record import SimplifyRecord
from lion_search.search.progress import Progress
from lion_search.selection.card.card import Card
from lion_search.selection.comparison import Measurement
from lion_search.selection.finalists import Finalist
from lion_search.selection.funnel import ADAMW, Placing, RungResult
from lion_search.selection.meta_validation import MetaValidation
from lion_search.selection.verdicts import Lead


@dataclass(frozen=True, slots=True)
class Best:
    """The best of a niche; of all, if the search had none.

    Attributes:
        niche: its title.
        finalists: the winner first.
        program: the winner's text without what is redundant.
        simplification: of the winner: the record.
        confirmed: what the last rung of the funnel says of the simplified program, if its winner passed all.
        exports: the files written.
    """

    niche: str
    finalists: tuple[Finalist, ...]
    program: str
    simplification: SimplifyRecord
    confirmed: Placing | None = None
    exports: tuple[Path, ...] = ()

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
        ascent: how far programs came in the funnel.
        test_rows: losses on test: the winners, then what they are compared with.
        recommended: files of the program to use, with the constants of the funnel's last rung; empty if none
            passed it.
        meta_validation: what the best of the search's slices came to on larger tasks, if that was asked for.
        card: of what is recommended, if that was asked for.
    """

    folder: Path
    progress: Progress
    judged_by: JudgeSettings
    frontier: tuple[Best, ...]
    ascent: Ascent
    test_rows: tuple[Measurement, ...]
    recommended: tuple[Path, ...] = ()
    meta_validation: MetaValidation | None = None
    card: Card | None = None

    @property
    def best(self) -> Best:
        """The best of all niches.

        Of those that passed the funnel the one with the fewest states that is not clearly behind another;
        else the one that came furthest, and without a funnel the fittest, prices taken off.
        """
        through = [best for best in self.frontier if self.ascent.through(best.niche)]
        if not through:
            return max(self.frontier, key=self._rank)
        leads = {best.niche: self._lead(best) for best in through}
        top = max(leads.values(), key=lambda own: own.mean)
        close = [b for b in through if top.mean - leads[b.niche].mean <= _noise(top, leads[b.niche])]
        return min(close, key=lambda best: best.winner.individual.num_states)

    def passed(self, best: Best) -> Placing | None:
        """What passed the funnel for a niche: the simplified program if that did too, else its winner."""
        simplified = best.confirmed
        return (
            simplified
            if simplified is not None and simplified.has_passed
            else self.ascent.through(best.niche)
        )

    def _rank(self, best: Best) -> tuple[float, ...]:
        number, placing = self.ascent.furthest(best.niche)
        lead = () if placing is None else (placing.has_passed, placing.least_lead)
        return (number, *lead, best.winner.fitness - best.winner.price)

    def _lead(self, best: Best) -> Lead:
        """On AdamW, on the last rung."""
        placing = self.ascent.through(best.niche)
        assert placing is not None
        return placing.leads[ADAMW]


def _noise(lead: Lead, other: Lead) -> float:
    """Two standard errors of a difference of leads."""
    return 2 * math.hypot(lead.standard_error, other.standard_error)


def write_exports(
    folder: Path,
    store: Store,
    winner: Finalist,
    programs: Mapping[str, Program],
    adamw: Mapping[str, Mapping[str, float]] | None = None,
    recognized: Mapping[str, str] | None = None,
    form: Callable[[Program], Program] = lambda program: program,
) -> tuple[Path, ...]:
    """Writes programs for the exports that are made in runs; those of an earlier end of the run are replaced.

    Args:
        folder: the run's folder.
        store: its log.
        winner: what they were made of.
        programs: by the name of the file, and of the optimizer in it.
        adamw: what tuned AdamW has, by task, where the constants are not of the tasks of the search.
        recognized: which known optimizers they are, of those that were looked at.
        form: how they are written; what is known of them is that of the programs themselves.
    """
    exports, recognized = folder / EXPORTS_FOLDER, recognized or {}
    make_folder(exports)
    tuned = ", its constants tuned" if winner.is_tuned else ""
    title = f"An optimizer found by lion-search{tuned}"
    files, run = {}, folder.resolve().name
    for name, program in programs.items():
        notes = notes_in_run(store, run, winner.individual.id, program, adamw)
        about = About(name, title, (*note_of(recognized.get(name, "")), *notes))
        for export in filter(lambda e: e.in_runs, EXPORTS.values()):
            with contextlib.suppress(ProgramError):  # a function of the user's own may have no code for it
                files[exports / f"{name}{export.suffix}"] = export.write(form(program), about)
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
        "recommended": [str(path.relative_to(result.folder)) for path in result.recommended],
        "meta_validation": _meta_summary(result.meta_validation),
        "card": None if result.card is None else result.card.to_json(),
        "funnel": [_rung_summary(rung) for rung in result.ascent.rungs],
        "test": [
            {
                "optimizer": row.name,
                "task": row.task,
                "subject": row.subject,
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
        "relative_cost": relative_cost(parse(best.simplification.simplified)),
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
        "confirmed": None if best.confirmed is None else _placing_summary(best.confirmed),
        "exports": [str(path.relative_to(folder)) for path in best.exports],
    }


def _meta_summary(found: MetaValidation | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "text": told(found)}


def _rung_summary(rung: RungResult) -> dict[str, Any]:
    return {
        "tasks": rung.settings.tasks,
        "num_seeds": rung.settings.seeds,
        "baselines": {name: dict(b.hyperparameters) for name, b in rung.baselines.items()},
        "programs": [_placing_summary(placing) for placing in rung.placings],
    }


def _placing_summary(placing: Placing) -> dict[str, Any]:
    return {
        "id": placing.entrant.individual.id,
        "niche": placing.entrant.niche,
        "has_passed": placing.has_passed,
        "verdict": placing.verdict(),
        "num_seeds": placing.num_seeds,
        "leads": {name: asdict(lead) for name, lead in placing.leads.items()},
        "program": format_program(placing.entrant.program),
    }
