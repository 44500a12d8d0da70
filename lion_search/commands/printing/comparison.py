"""Optimizers side by side on tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from lion_search.commands.printing.terminal import say
from lion_search.proxy_tasks.scores import Score, describe_failure
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
        table = Table(Column("Optimizer", overflow="fold"), "Mean", "Standard error", "Against tuned AdamW")
        for row in own:
            cells = (
                (str(row.status), "")
                if math.isnan(row.mean)
                else (f"{row.mean:.4f}", f"{row.standard_error:.4f}")
            )
            table.add_row(row.name, *cells, _against(row, adamw))
        console.print(table)
        for row in own:
            if (failed := row.failure) is not None:
                say(console, f"{row.name}: {describe_failure(failed)}")
    say(
        console,
        f"{rows[0].num_seeds} seeds, the same for all; "
        "the last column is the mean difference seed by seed.\n",
    )


def _against(row: Measurement, adamw: Measurement | None) -> str:
    if adamw is None or row is adamw:
        return ""
    difference, error = row.difference(adamw)
    return "" if math.isnan(difference) else f"{difference:+.4f} +- {error:.4f}"


def failure_json(failed: Score | None) -> dict[str, Any] | None:
    """How a training failed, as JSON values."""
    if failed is None:
        return None
    return {
        "status": failed.status,
        "task": failed.task,
        "seed": failed.seed,
        "num_steps": failed.num_steps,
        "reason": failed.reason,
    }


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
