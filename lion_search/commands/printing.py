"""Results on a terminal: tables of optimizers, programs, what a run hands over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column, Table
from rich.text import Text

from lion_search.proxy_tasks.tasks import find_task
from lion_search.runs.display import format_seconds
from lion_search.runs.result import RunResult
from lion_search.runs.simplify_record import SimplifyRecord
from lion_search.selection.comparison import Row
from lion_search.simplify.steps import IDENTITIES, REDUNDANCY, REWRITING, WRITING, Step

TUNED_ADAMW = "tuned adamw"
_WHAT = {
    REDUNDANCY: "what no update depends on is dropped",
    IDENTITIES: "what is the same is computed once",
    REWRITING: "a simpler equal form",
    WRITING: "names, order and form for people",
}
"""What is done in stages whose steps say no more."""


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
    _print_simplification(console, result.simplification)
    _say(console, "Exported:", *(str(path) for path in result.exports))
    _say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
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


def print_record(console: Console, record: SimplifyRecord) -> None:
    """A simplification: its steps with their evidence, the result, what it was measured to be."""
    _print_simplification(console, record)
    for row in record.test:
        mean = row.status if row.mean is None else f"{row.mean:.4f} +- {row.standard_error:.4f}"
        against = (
            f", {row.difference:+.4f} +- {row.difference_error:.4f} seed by seed" if row.difference else ""
        )
        _say(console, f"Test, {row.task}, {row.num_seeds} seeds: {row.optimizer}: {mean}{against}")


def _print_simplification(console: Console, record: SimplifyRecord) -> None:
    table = Table("Step", "What", "Statements", "States", "Evidence")
    for step in record.steps:
        before, after = step.size_before, step.size_after
        table.add_row(
            step.stage,
            Text(step.what or _WHAT.get(step.stage, "")),
            _change(before.statements, after.statements),
            _change(before.states, after.states),
            _evidence(step),
        )
    console.print(table)
    is_changed = any(step.evidence is not None for step in record.steps)
    if not is_changed and record.sizes["experiments"] == record.sizes["genome"]:
        _say(console, "Nothing simpler was found.")
    shown = ", ".join(f"{size.statements} ({name})" for name, size in record.sizes.items())
    _say(
        console,
        f"Statements: {shown}. {record.seconds:.0f} seconds, {record.proof_seconds:.0f} of them proofs.",
    )
    for note in record.notes:
        _say(console, f"Note: {note}")
    if record.tried:
        made = sum(step.evidence is not None for step in record.steps)
        margin, sure = record.settings.margin, 1 - record.settings.error
        _say(
            console,
            f"Tried {len(record.tried)} changes on {', '.join(record.tasks)} (validation data), made {made}; "
            f"with probability {sure:g} over seeds, all together lose at most {margin:g} of fitness there.",
        )
    _say(console, "")
    _print_program(console, record.simplified)
    if record.recognized:
        _say(console, f"Recognition: {record.recognized}")


def _change(before: int, after: int) -> str:
    return str(after) if before == after else f"{before} -> {after}"


def _evidence(step: Step) -> str:
    found = step.evidence
    if found is not None:
        return found.summary()
    if step.rules:
        return f"proof by rules ({', '.join(step.kinds)}); of {len(step.rules)} that matched: --json"
    return "proof"


def _print_program(console: Console, text: str) -> None:
    console.print(Syntax(text, "python", background_color="default"))
