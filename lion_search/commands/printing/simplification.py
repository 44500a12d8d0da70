"""A simplification: its steps with their evidence, and what came out."""

from __future__ import annotations

import math

from rich.console import Console

from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say, say_line
from lion_search.dsl.shown import plural, with_error
from lion_search.runs.simplify_record import SimplifyRecord
from lion_search.simplify.steps import Step


def print_record(console: Console, record: SimplifyRecord) -> None:
    """A simplification: its steps with their evidence, the result, what it was measured to be."""
    print_simplification(console, record)
    for row in record.test:
        mean = (row.failure or row.status) if row.mean is None else _with_error(row.mean, row.standard_error)
        against = ""
        if row.difference:
            against = f", {_with_error(row.difference, row.difference_error, '+')} seed by seed"
        seeds = plural(row.num_seeds, "seed")
        say(console, f"Test, {row.task}, {seeds}: {row.optimizer}: {mean}{against}")


def _with_error(value: float, error: float | None, sign: str = "") -> str:
    return with_error(value, math.nan if error is None else error, sign)


def print_simplification(console: Console, record: SimplifyRecord) -> None:
    """The steps, how sure they are, and the result."""
    columns = (
        Column("Step"), Column("What", prose=True), Column("Statements", drop=1), Column("States", drop=2),
        Column("Evidence", prose=True),
    )  # fmt: skip
    print_table(console, columns, map(_step_cells, record.steps))
    is_changed = any(step.evidence is not None for step in record.steps)
    if not is_changed and record.sizes["experiments"] == record.sizes["genome"]:
        say(console, "Nothing simpler was found.")
    shown = ", ".join(f"{size.statements} ({name})" for name, size in record.sizes.items())
    seconds = plural(round(record.seconds), "second")
    say(console, f"Statements: {shown}. {seconds}, {record.proof_seconds:.0f} of them proofs.")
    for note in record.notes:
        say(console, f"Note: {note}")
    if record.tried:
        made = sum(step.evidence is not None for step in record.steps)
        margin, sure = record.settings.margin, 1 - record.settings.error
        say(
            console,
            f"Tried {plural(len(record.tried), 'change')} on {', '.join(record.tasks)} (validation data), "
            f"made {made}; with probability {sure:g} over seeds, all together lose at most {margin:g} of "
            "fitness there.",
        )
    say(console, "")
    say_line(console, record.simplified)
    if record.recognized:
        say(console, f"Recognition: {record.recognized}")


def _step_cells(step: Step) -> tuple[str, ...]:
    before, after = step.size_before, step.size_after
    return (
        step.stage,
        step.about,
        _change(before.statements, after.statements),
        _change(before.states, after.states),
        step.why(),
    )


def _change(before: int, after: int) -> str:
    return str(after) if before == after else f"{before} -> {after}"
