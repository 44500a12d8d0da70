"""What is recorded of a run when it begins, and what must still hold when it is resumed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from lion_search.config import Config, check_config
from lion_search.dsl.equivalence.canonical import SEMANTICS_VERSION, canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.baseline import Record
from lion_search.results.records import JUDGE_FACT
from lion_search.results.strict_json import json_value
from lion_search.runs.hardware import hardware
from lion_search.runs.own_code import own_code_facts

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem

_PACKAGES = (
    *("lion-search", "jax", "jaxlib", "numpy", "optax", "ray", "equinox", "scikit-learn", "sqlalchemy"),
    "egglog",
)
MAY_CHANGE = (
    *("budget", "selection", "funnel", "meta_validation", "transfer_card", "simplification"),
    *("workers", "ray_address", "cpus_per_worker", "gpus_per_worker", "resources_per_worker"),
    *("limits.seconds", "limits.memory_gb"),
)
"""Keys of the config that change no program of the search: a resumed run may have others."""


class ResumeError(LionSearchError):
    """A run that cannot be resumed; the message says what differs."""


def run_facts(
    config: Config,
    initial: Program,
    problems: Mapping[str, FlatProblem],
    records: Mapping[str, Record],
    reused: Mapping[str, int],
) -> dict[str, Any]:
    """What a new run records, as JSON values.

    Args:
        config: the whole configuration.
        initial: the program everything begins with.
        problems: of the tasks, by name.
        records: the tasks' baselines.
        reused: how many individuals of each earlier run are reused.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(),
        JUDGE_FACT: asdict(config.judge_settings()),
        "initial_program": format_program(initial),
        "semantics_version": SEMANTICS_VERSION,
        "fingerprint": _fingerprint_sample(),
        **own_code_facts(config, initial),
        "tasks": {name: problem.facts() for name, problem in problems.items()},
        "baselines": {
            task: {name: asdict(b) for name, b in record.baselines.items()}
            for task, record in records.items()
        },
        "reused": dict(reused),
        "versions": versions(),
        "hardware": hardware(),
    }


def check_unchanged(config: Config, logged: Mapping[str, Any], folder: object) -> None:
    """Checks that a configuration proposes what the run's log was made by.

    Raises:
        ResumeError: it does not; the message names each key that differs and both values.
    """
    if logged["semantics_version"] != SEMANTICS_VERSION:
        raise ResumeError(
            f"cannot resume '{folder}': it was made with version {logged['semantics_version']} of the "
            f"language's semantics; this program has {SEMANTICS_VERSION}"
        )
    if logged.get("fingerprint") != _fingerprint_sample():
        raise ResumeError(f"cannot resume '{folder}': the fingerprint of programs is computed otherwise now")
    before = check_config(logged["config"], f"the log of '{folder}'").model_dump()
    _refuse(folder, differences(before, config.model_dump(), leave_out=MAY_CHANGE))


def check_same_tasks(
    problems: Mapping[str, FlatProblem],
    records: Mapping[str, Record],
    logged: Mapping[str, Any],
    folder: object,
    report: Callable[[str], None],
) -> None:
    """Checks that tasks, data and baselines are those of the log; notes other versions of packages.

    Raises:
        ResumeError: they are not.
    """
    tasks = {name: problem.facts() for name, problem in problems.items()}
    _refuse(folder, differences({"tasks": logged["tasks"]}, {"tasks": tasks}))
    for name, record in records.items():
        before, now = logged["baselines"][name]["adamw"], asdict(record.adamw)
        _refuse(folder, differences({name: json_value(before)}, {name: json_value(now)}))
    changed = differences(logged["versions"], versions())
    if changed:
        report(f"Note: other versions than when the run began: {'; '.join(changed)}")


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], leave_out: tuple[str, ...] = (), prefix: str = ""
) -> list[str]:
    """Every key that differs, by its path, with both values."""
    found = []
    for key in dict.fromkeys((*before, *now)):
        path = f"{prefix}{key}"
        old, new = before.get(key), now.get(key)
        if path in leave_out or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, leave_out, f"{path}.")
        else:
            found.append(f"{path} was {old!r} and is {new!r}")
    return found


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        **{package: metadata.version(package) for package in _PACKAGES},
    }


def _fingerprint_sample() -> str:
    """The fingerprint of one program: what it says changes with the way in which fingerprints are made."""
    return fingerprint(canonicalise(library_program("adamw")).program())


def _refuse(folder: object, found: list[str]) -> None:
    if found:
        raise ResumeError(
            f"cannot resume '{folder}': {'; '.join(found)}. What may change: {', '.join(MAY_CHANGE)}"
        )
