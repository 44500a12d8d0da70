"""The record of a simplification: what was done and why, saved with the program.

For ``RUN:ID`` it lies in the run's folder, ``simplified/ID.json``; for a file ``my.py`` beside it,
``my.simplified.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.export.latex import to_equations
from lion_search.dsl.library import LIBRARY
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.scores import describe_failure
from lion_search.results.strict_json import json_value
from lion_search.runs.facts import versions
from lion_search.runs.folder import make_folder, write_file
from lion_search.runs.references import find_run, open_run, split_individual
from lion_search.selection.comparison import Measurement
from lion_search.simplify.experiments.rounds import Tried
from lion_search.simplify.experiments.trials import TrialSettings
from lion_search.simplify.recognition.identify import identify
from lion_search.simplify.simplifier import Simplified
from lion_search.simplify.steps import Size, Step, size

FOLDER = "simplified"
SUFFIX = ".simplified.json"


class RecordError(LionSearchError):
    """A record that is not there or cannot be used."""


class _Record(BaseModel):
    """Steps, tries and settings are the simplifier's own dataclasses, which pydantic writes as they are.

    Sizes are written for readers of the file, and computed anew when it is read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


class TestRecord(_Record):
    """One optimizer on the test part of a task; differences are to the original, seed by seed."""

    optimizer: str
    task: str
    status: str
    mean: float | None
    standard_error: float | None
    difference: float | None
    difference_error: float | None
    num_seeds: int
    failure: str = ""


class SimplifyRecord(_Record):
    """A simplification.

    Attributes:
        reference: what was simplified.
        program: its text.
        proved: the simplest form by proof alone.
        simplified: the result, written for people.
        latex: the same as equations.
        recognized: one line: the known optimizer it is and what differs, or that it is none; empty if
            nobody looked.
        sizes: of the genome, and after each stage.
        steps: what was done, in order.
        tried: every change that was tried by experiment.
        tasks: on which tasks; none if there were only proofs.
        settings: how sure experiments had to be.
        scale: what updates were multiplied by in experiments.
        notes: what was not done, limits that were met.
        test: original and result on test data, on the same fresh seeds.
        seconds: how long it took, the test not counted.
        proof_seconds: how long proofs took of that.
        versions: of packages.
        minutes: how long it might take; ``None`` if it is not of a run.
    """

    reference: str
    program: str
    proved: str
    simplified: str
    latex: str
    recognized: str
    sizes: dict[str, Size]
    steps: tuple[Step, ...]
    tried: tuple[Tried, ...]
    tasks: tuple[str, ...]
    settings: TrialSettings
    scale: float
    notes: tuple[str, ...]
    test: tuple[TestRecord, ...]
    seconds: float
    proof_seconds: float
    versions: dict[str, str]
    minutes: float | None = None

    def to_json(self) -> str:
        """The record as JSON; numbers that JSON cannot say are null."""
        return self.model_dump_json(indent=1)

    def rows(self) -> list[dict[str, Any]]:
        """Its steps as JSON values."""
        steps: list[dict[str, Any]] = self.model_dump(mode="json")["steps"]
        return steps


def make_record(
    reference: str,
    found: Simplified,
    tasks: Sequence[str],
    settings: TrialSettings,
    test: Sequence[Measurement] = (),
    *,
    is_recognized: bool = True,
    minutes: float | None = None,
) -> SimplifyRecord:
    """The record of what simplification came to.

    Args:
        reference: what was simplified.
        found: what it came to.
        tasks: on which tasks experiments were made.
        settings: how sure they had to be.
        test: original and result on test data, the original first.
        is_recognized: whether to look for a known optimizer, which takes seconds.
        minutes: how long it might take.
    """
    return SimplifyRecord(
        reference=reference,
        program=format_program(found.before),
        proved=format_program(found.proved),
        simplified=format_program(found.after),
        latex=to_equations(found.after),
        recognized=identify(found.after).summary() if is_recognized else "",
        sizes={
            "genome": size(found.before),
            "redundancy": size(found.pruned),
            "proofs": size(found.proved),
            "experiments": size(found.after),
        },
        steps=found.steps,
        tried=found.tried,
        tasks=tuple(tasks),
        settings=settings,
        scale=found.scale,
        notes=found.notes,
        test=test_records(test),
        seconds=found.seconds,
        proof_seconds=found.proof_seconds,
        versions=versions(),
        minutes=minutes,
    )


def test_records(rows: Sequence[Measurement]) -> tuple[TestRecord, ...]:
    """What a record keeps of a test; on each task the first is the original."""
    return tuple(_test(row, next(first for first in rows if first.task == row.task)) for row in rows)


def _test(row: Measurement, original: Measurement) -> TestRecord:
    difference, error = row.difference(original)
    values = {"mean": row.mean, "standard_error": row.standard_error}
    values |= {"difference": difference, "difference_error": error}
    return TestRecord(
        optimizer=row.name,
        task=row.task,
        status=row.status,
        num_seeds=row.num_seeds,
        failure="" if row.failure is None else describe_failure(row.failure),
        **json_value(values),
    )


def path_in_run(folder: Path, individual_id: int) -> Path:
    """Where the record of an individual lies."""
    return folder / FOLDER / f"{individual_id}.json"


def path_beside(file: Path) -> Path:
    """Where the record of a program's file lies."""
    return file.with_name(file.stem + SUFFIX)


def path_of(reference: str) -> Path | None:
    """Where the record of a referenced program lies; ``None`` for one of the library.

    Raises:
        UnknownReferenceError: there is no such run.
    """
    in_run = split_individual(reference)
    if in_run is not None:
        return path_in_run(find_run(in_run[0]), in_run[1])
    return None if reference in LIBRARY else path_beside(Path(reference))


def save(record: SimplifyRecord, path: Path) -> None:
    """Writes a record; an earlier one is replaced.

    Raises:
        RunFolderError: it cannot be written.
    """
    make_folder(path.parent)
    write_file(path, record.to_json() + "\n")


def load(reference: str) -> SimplifyRecord:
    """Reads the record of a referenced program, after the own functions of the run that it is of.

    Raises:
        RecordError: there is none, or it is none of ours.
    """
    path = path_of(reference)
    if path is None:
        raise RecordError(
            f"'{reference}' is of the library: no record is kept beside it. Write the result to a file, "
            f"lion-search simplify {reference} -o FILE.py, and show that one"
        )
    in_run = split_individual(reference)
    if in_run is not None:
        open_run(in_run[0]).close()  # its own functions are known after that
    if not path.exists():
        task = "" if in_run else " --task TASK"
        raise RecordError(
            f"'{reference}' has not been simplified: there is no '{path}'; "
            f"make it: lion-search simplify {reference}{task}"
        )
    return read(path)


def read(path: Path) -> SimplifyRecord:
    """Reads a record; functions that its programs use are known already.

    Raises:
        RecordError: it cannot be read, or is none of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"cannot read '{path}': {error}") from error
    try:
        return SimplifyRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(f"'{path}' is no record of a simplification: {where}: {first['msg']}") from None
