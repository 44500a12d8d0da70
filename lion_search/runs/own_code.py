"""What a run uses of the user's own code: recorded when it begins, and found again from wherever it is read.

Functions, tasks and search methods of a user's own are ``module:name``. A run's facts say in which folders
their modules lay, and what each function makes of fixed numbers: one that computes something else by now
would give other meanings to the programs of the log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.functions import Function, load_function, own_references
from lion_search.dsl.imports import UserCodeError, folder_of, look_in
from lion_search.dsl.program import Program
from lion_search.results.strict_json import json_value

if TYPE_CHECKING:
    from lion_search.config import Config

_FUNCTIONS, _FOLDERS, _VALUES = "own_functions", "own_folders", "values"


class OwnCodeError(LionSearchError):
    """Code of the user's own that a run needs and that is not there, or is not what it was."""


def own_code_facts(config: Config, initial: Program) -> dict[str, Any]:
    """What a new run records of the user's own code, as JSON values.

    Args:
        config: the whole configuration.
        initial: the program everything begins with, which may use functions that the config does not name.
    """
    used = {statement.function for statement in initial.statements}
    rows = {reference: load_function(reference) for reference in own_references()}
    rows = {r: row for r, row in rows.items() if r in config.own_functions() or row.name in used}
    references = [*rows, *(task.name for task in config.tasks), config.search.method]
    folders = dict.fromkeys(folder_of(r) for r in references if ":" in r)
    return {
        _FUNCTIONS: {reference: _facts(row) for reference, row in rows.items()},
        _FOLDERS: [folder for folder in folders if folder is not None],
    }


def find_own_code(facts: Mapping[str, Any]) -> None:
    """Has the user's own modules looked for here, and then where they lay when the run began.

    Here first: a project may have been moved or copied together with its runs.
    """
    look_in((str(Path.cwd()), *facts.get(_FOLDERS, ())))


def load_own_functions(run: object, facts: Mapping[str, Any], *, is_resumed: bool = False) -> None:
    """Loads the user's own functions that programs of a run may use.

    Args:
        run: what the run is called.
        facts: of the run.
        is_resumed: whether rows must say the same also where it only matters to a search: costs, properties.

    Raises:
        OwnCodeError: one cannot be loaded, or is not what it was when the run began.
    """
    find_own_code(facts)
    recorded: Mapping[str, Mapping[str, Any]] = facts.get(_FUNCTIONS, {})
    references = dict.fromkeys((*recorded, *_listed(facts)))
    if references:
        from lion_search.dsl.trials import load_tried  # imports all exports: not for most runs
    for reference in references:
        try:
            row = load_tried(reference)
        except UserCodeError as error:
            raise OwnCodeError(f"run '{run}': {error}{_whereabouts(reference, facts)}") from error
        except LionSearchError as error:
            raise OwnCodeError(f"run '{run}': {error}") from error
        if reference in recorded and (changed := _changes(row, recorded[reference], is_resumed)):
            where = f"'{row.name}' ({reference} in {folder_of(reference)})"
            raise OwnCodeError(
                f"run '{run}': function {where} is not what it was when the run began: {changed}"
            )


def _listed(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The user's own functions by the configuration: all that runs of earlier versions tell."""
    listed = facts.get("config", {}).get("functions", "all")
    return () if listed == "all" else tuple(name for name in listed if ":" in name)


def _whereabouts(reference: str, facts: Mapping[str, Any]) -> str:
    folders = ", ".join(facts.get(_FOLDERS, ()))
    module = reference.partition(":")[0]
    lay = f"; when the run began, its code lay in {folders}" if folders else ""
    return f"{lay}. Put the folder of '{module}' on PYTHONPATH, or start in it"


def _facts(row: Function) -> dict[str, Any]:
    """All of a row that a search depends on; how it is exported and printed may change."""
    from lion_search.dsl.trials import sample

    known = {k: v.name if isinstance(v, Enum) else v for k, v in asdict(row.properties).items()}
    names = [type_.name for type_ in row.parameters]
    found = {
        "name": row.name,
        "parameters": names,
        "result": None if row.result is None else row.result.name,
        "commutative": row.commutative,
        "mixes_arrays": row.mixes_arrays,
        "cost": row.cost,
        **known,
        _VALUES: sample(row),
    }
    return json_value(found)


def _changes(row: Function, before: Mapping[str, Any], is_resumed: bool) -> str:
    """The first thing that differs, with both values; empty if nothing does."""
    now = _facts(row)
    for key in now if is_resumed else ("name", "parameters", "result"):
        if key != _VALUES and now[key] != before.get(key):
            return f"{key} was {before.get(key)!r} and is {now[key]!r}"
    for old, new in zip(before[_VALUES], now[_VALUES], strict=True):
        if not _is_near(old, new):
            return f"of the same numbers it made {_text(old)} and makes {_text(new)}"
    return ""


def _is_near(old: float | None, new: float | None) -> bool:
    """Equal but for rounding, which is not the same in all versions of NumPy; ``None`` is not finite."""
    if old is None or new is None:
        return old is new
    return math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-9)


def _text(value: float | None) -> str:
    return "no finite number" if value is None else f"{value:.6g}"
