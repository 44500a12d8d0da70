"""Optimizers side by side on tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from lion_search.commands.printing.failures import failure_json
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say
from lion_search.dsl.shown import plural, with_error
from lion_search.proxy_tasks.scores import describe_failure
from lion_search.proxy_tasks.tasks import find_task
from lion_search.selection.comparison import Measurement

TUNED_ADAMW = "tuned adamw"


def print_rows(console: Console, rows: Sequence[Measurement], part: str) -> None:
    """For each task a table of optimizers, each beside tuned AdamW."""
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        adamw = next((row for row in own if row.name == TUNED_ADAMW), None)
        metric = str(find_task(task).metric).capitalize()
        say(console, f"{metric} on {part}, {task}:")
        columns = (Column("Optimizer", name=True), Column("Mean"), Column("Against tuned AdamW"))
        print_table(console, columns, [(row.name, _mean(row), _against(row, adamw)) for row in own])
        for row in own:
            if (failed := row.failure) is not None:
                say(console, f"{row.name}: {describe_failure(failed)}")
    is_compared = any(row.name == TUNED_ADAMW for row in rows)
    last = "; the last column is the mean difference seed by seed" * is_compared
    seeds = plural(rows[0].num_seeds, "seed")
    say(console, f"{seeds}, the same for all; +- is one standard error{last}.\n")


def _mean(row: Measurement) -> str:
    return str(row.status) if math.isnan(row.mean) else with_error(row.mean, row.standard_error)


def _against(row: Measurement, adamw: Measurement | None) -> str:
    if adamw is None or row is adamw:
        return ""
    difference, error = row.difference(adamw)
    return "" if math.isnan(difference) else with_error(difference, error, "+")


def row_json(row: Measurement) -> dict[str, Any]:
    """A row as JSON values."""
    return {
        "optimizer": row.name,
        "task": row.task,
        "status": row.status,
        "failure": failure_json(row.failure),
        "mean": row.mean,
        "standard_error": row.standard_error,
        "losses": row.losses,
        "num_seeds": row.num_seeds,
    }
