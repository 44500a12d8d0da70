"""Optimizers measured outside a search: ``lion-search evaluate`` and ``lion-search baseline``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.baseline import (
    BASELINES_FOLDER,
    FAMILIES,
    Baseline,
    file_name,
    load_baselines,
    to_json,
)
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.training.optax_rules import read_optax
from lion_search.proxy_tasks.tuning import EFFORT, tune
from lion_search.results.records import Stage
from lion_search.runs.audience import Report
from lion_search.runs.facts import versions
from lion_search.runs.folder import check_new, write_new
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.references import find_subject
from lion_search.runs.workers import make_pool
from lion_search.selection.comparison import Measurement, compare


def evaluate(
    references: Sequence[str],
    tasks: Sequence[str],
    *,
    num_seeds: int,
    part: Part = Part.TEST,
    mode: str = "auto",
    workers: int | str = "auto",
    report: Report = lambda line: None,
) -> list[Measurement]:
    """Trains optimizers and the tasks' tuned baselines on the same seeds.

    Args:
        references: of the optimizers.
        tasks: references of tasks.
        num_seeds: trainings of each optimizer on each task.
        part: of the tasks' data.
        mode: how programs are trained; ``auto`` for the mode that suits each task.
        workers: a number of Ray workers, ``auto`` or ``inline``.
        report: is told, in a line, what happens.

    Returns:
        For each task a row for each reference, then for each baseline.

    Raises:
        LionSearchError: a reference or a task cannot be used.
    """
    set_environment(workers)
    subjects: dict[str, Subject] = dict(map(find_subject, references))
    problems = check_tasks(tasks, None)
    for subject in subjects.values():
        if isinstance(subject, str):
            for problem in problems.values():
                read_optax(subject, problem.layout)  # what a task's weights do not suit is said at once
    by_task = {name: {**subjects, **_tuned(name, report)} for name in problems}
    pool = make_pool([], workers=workers, mode=None if mode == "auto" else mode, report=report)
    try:
        return [
            row
            for name, own in by_task.items()
            for row in compare(pool, own, name, part, Stage.TEST.seeds(num_seeds))
        ]
    finally:
        pool.close()


def tune_baselines(
    task: str, output: Path | None, *, workers: int | str = "auto", report: Report = lambda line: None
) -> tuple[Path, Mapping[str, Baseline]]:
    """Tunes all baselines of a task and writes their file.

    Raises:
        LionSearchError: the task cannot be used, or the file exists or cannot be written.
    """
    set_environment(workers)
    ((name, problem),) = check_tasks([task], None).items()
    path = output or Path(BASELINES_FOLDER) / file_name(name)
    check_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LionSearchError(f"cannot write '{path}': {error.strerror}") from error
    pool = make_pool([name], workers=workers, report=report)
    try:
        tuned = {family: tune(pool, name, family, report=report) for family in FAMILIES}
    finally:
        pool.close()
    best = {family: found for family, (found, _) in tuned.items()}
    trials = {family: record for family, (_, record) in tuned.items()}
    write_new(path, to_json(problem.facts(), best, trials, EFFORT, versions()))
    return path, best


def _tuned(task: str, report: Report) -> dict[str, Subject]:
    """The tuned baselines of a task, if it has any."""
    try:
        return {f"tuned {name}": found for name, found in load_baselines(task).baselines.items()}
    except TaskError as error:
        report(f"Note: {error}")
        return {}
