"""Optimizers measured outside a search: ``lion-search evaluate``."""

from __future__ import annotations

from collections.abc import Sequence

from lion_search.proxy_tasks.baseline import (
    load_baselines,
)
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.scores import FAULTS, Part, describe_failure, one_line
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.results.records import Stage
from lion_search.runs.audience import Report
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
        LionSearchError: a reference or a task cannot be used, or all trainings on one end in one fault.
    """
    set_environment(workers)
    from lion_search.proxy_tasks.training.optax_rules import read_optax  # imports JAX, in that environment

    subjects: dict[str, Subject] = dict(map(find_subject, references))
    problems = check_tasks(tasks, None)
    for subject in subjects.values():
        if isinstance(subject, str):
            for problem in problems.values():
                read_optax(subject, problem.layout)  # what a task's weights do not suit is said at once
    by_task = {name: {**subjects, **_tuned(name, report)} for name in problems}
    pool = make_pool([], workers=workers, mode=None if mode == "auto" else mode, report=report)
    try:
        rows: list[Measurement] = []
        for name, own in by_task.items():
            rows += _checked(compare(pool, own, name, part, Stage.TEST.seeds(num_seeds)))
        return rows
    finally:
        pool.close()


def _checked(rows: list[Measurement]) -> list[Measurement]:
    """The rows of a task, unless what failed is the task or the machine, and no optimizer.

    Raises:
        TaskError: several optimizers were trained, and all ended in the same fault.
    """
    failures = [row.failure for row in rows]
    kinds = {(failed.status, one_line(failed.reason)) if failed else None for failed in failures}
    first = failures[0]
    if len(rows) > 1 and len(kinds) == 1 and first is not None and first.status in FAULTS:
        raise TaskError(f"nothing can be trained on '{first.task}'; all end alike: {describe_failure(first)}")
    return rows


def is_scored(rows: Sequence[Measurement], references: Sequence[str]) -> bool:
    """Whether a script may go on: an optimizer that was asked for has a loss, and none ended in a fault.

    That some diverge is a result; that one raises, hangs or takes too much memory is a mistake to mend.
    """
    asked = [row for row in rows if row.name in references]
    return any(row.failure is None for row in asked) and not any(row.status in FAULTS for row in asked)


def _tuned(task: str, report: Report) -> dict[str, Subject]:
    """The tuned baselines of a task, if it has any."""
    try:
        record = load_baselines(task)
    except TaskError as error:
        report(f"Note: {error}")
        return {}
    for note in filter(None, (record.edge_note("adamw"), *record.failed.values())):
        report(f"Note: {note}")
    return {f"tuned {name}": found for name, found in record.baselines.items()}
