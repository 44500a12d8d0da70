"""Results on a terminal: tables of optimizers, programs, what a run hands over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column, Table

from lion_search.display import format_seconds
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.outcome import RunResult
from lion_search.proxy_tasks.tasks import find_task
from lion_search.selection.comparison import Row

TUNED_ADAMW = "tuned adamw"


def _say(console: Console, *text: object) -> None:
    console.print(*text, highlight=False, markup=False)


def print_result(console: Console, result: RunResult) -> None:
    """What a run found, and the commands to look at it."""
    progress, winner = result.progress, result.finalists[0]
    _say(
        console,
        f"\nSearched {progress.num_programs:,} programs in {format_seconds(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {progress.hit_rate:.1%}, "
        f"{progress.redundant_share:.1%} of the population's statements redundant.",
    )
    reference = f"{result.folder}:{winner.individual.id}"
    _say(
        console,
        f"Winner {reference}: fitness {winner.fitness:+.4f} on fresh seeds "
        f"({winner.search_fitness:+.4f} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        _say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {winner.price:.4f}, which is not taken "
            "off the fitness above.\n",
        )
    print_rows(console, result.test_rows, "test")
    _say(console, f"The winner, {result.simplification.summary()}:")
    print_program(console, result.simplification.after)
    _say(console, "Exported:", *(str(path) for path in result.exports))
    _say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference}",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        _say(console, f"  lion-search {command}")


def print_rows(console: Console, rows: Sequence[Row], part: str) -> None:
    """For each task a table of optimizers, each beside tuned AdamW."""
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        adamw = next((row for row in own if row.name == TUNED_ADAMW), None)
        metric = str(find_task(task).metric).capitalize()
        _say(console, f"{metric} on {part}, {task}:")
        table = Table(Column("Optimizer", overflow="fold"), "Mean", "Standard error", "Against tuned AdamW")
        for row in own:
            failed = math.isnan(row.mean)
            cells = (str(row.status), "") if failed else (f"{row.mean:.4f}", f"{row.standard_error:.4f}")
            table.add_row(row.name, *cells, _against(row, adamw))
        console.print(table)
    _say(
        console,
        f"{rows[0].num_seeds} seeds, the same for all; "
        "the last column is the mean difference seed by seed.\n",
    )


def _against(row: Row, adamw: Row | None) -> str:
    if adamw is None or row is adamw:
        return ""
    difference, error = row.difference(adamw)
    return "" if math.isnan(difference) else f"{difference:+.4f} +- {error:.4f}"


def row_json(row: Row) -> dict[str, Any]:
    """A row as JSON values."""
    return {
        "optimizer": row.name,
        "task": row.task,
        "status": row.status,
        "mean": None if math.isnan(row.mean) else row.mean,
        "standard_error": None if math.isnan(row.standard_error) else row.standard_error,
        "losses": row.losses,
        "num_seeds": row.num_seeds,
    }


def print_program(console: Console, program: Program) -> None:
    """A program's text, coloured."""
    console.print(Syntax(format_program(program), "python", background_color="default"))
