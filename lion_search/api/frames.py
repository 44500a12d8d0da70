"""Data frames of what a log holds. pandas is imported when the first one is made: only they need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.scores import FAILURE_FITNESS, Score
from lion_search.results.history import History
from lion_search.results.ranking import Ranked
from lion_search.results.records import Evaluation, Individual

if TYPE_CHECKING:
    import pandas as pd


def table(columns: Mapping[str, Sequence[Any]], index: str | None = None) -> pd.DataFrame:
    """A data frame of columns, which may be empty.

    Raises:
        LionSearchError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise LionSearchError("data frames need pandas: pip install 'lion-search[notebook]'") from error
    frame = pd.DataFrame(dict(columns))
    return frame if index is None else frame.set_index(index)


def individuals(rows: Iterable[Individual]) -> pd.DataFrame:
    """One row for each individual, by its number."""
    names = [field.name for field in fields(Individual)]
    columns = dict(zip(names, _columns(map(astuple, rows), len(names)), strict=True))
    return table(_plain(columns), "id").astype(dict.fromkeys(("seen", "parent_id", "retry_of"), "Int64"))


def evaluations(rows: Iterable[Evaluation]) -> pd.DataFrame:
    """One row for each training."""
    names = ["stage", "subject", "individual_id", *(field.name for field in fields(Score))]
    values = ((e.stage, e.subject, e.individual_id, *astuple(e.score)) for e in rows)
    columns = dict(zip(names, _columns(values, len(names)), strict=True))
    return table(_plain(columns)).astype({"individual_id": "Int64"})


def ranking(rows: Sequence[Ranked]) -> pd.DataFrame:
    """One row for each program, the best first, by the number of the first individual that is it."""
    return table(
        {
            "id": [row.individual.id for row in rows],
            "fitness": [_known(row.fitness) for row in rows],
            "judged": [_known(row.judged) for row in rows],
            "seeds": [row.num_seeds for row in rows],
            "status": [str(row.status) for row in rows],
            "states": [row.individual.num_states for row in rows],
            "statements": [row.individual.num_statements for row in rows],
            "live_statements": [row.individual.num_live_statements for row in rows],
            "mutation": [row.individual.mutation for row in rows],
            "hash": [row.hash for row in rows],
        },
        "id",
    )


def history(found: History) -> pd.DataFrame:
    """One row for each place at which the best of a line changed, and one for its end."""
    points = [(line, point) for line, own in found.best.items() for point in own]
    return table(
        {
            "line": [line for line, _ in points],
            "programs": [point.num_programs for _, point in points],
            "id": [point.best_id for _, point in points],
            "fitness": [point.fitness for _, point in points],
            "judged": [point.judged for _, point in points],
            "seeds": [point.num_seeds for _, point in points],
        }
    )


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return tuple(zip(*rows, strict=True)) or ((),) * count


def _plain(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """The columns with enumerations as text."""
    enums = {"outcome", "status", "stage", "part"}
    return {name: [str(v) for v in own] if name in enums else own for name, own in columns.items()}


def _known(fitness: float) -> float | None:
    """Of a program that does not train it is not known."""
    return None if fitness == FAILURE_FITNESS else fitness
