"""A simplification: its steps with their evidence, and what came out."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from lion_search.commands.printing.terminal import say
from lion_search.runs.simplify_record import SimplifyRecord
from lion_search.simplify.steps import IDENTITIES, REDUNDANCY, REWRITING, WRITING, Step

_WHAT = {
    REDUNDANCY: "what no update depends on is dropped",
    IDENTITIES: "what is the same is computed once",
    REWRITING: "a simpler equal form",
    WRITING: "names, order and form for people",
}
"""What is done in stages whose steps say no more."""


def print_record(console: Console, record: SimplifyRecord) -> None:
    """A simplification: its steps with their evidence, the result, what it was measured to be."""
    print_simplification(console, record)
    for row in record.test:
        mean = (
            (row.failure or row.status) if row.mean is None else f"{row.mean:.4f} +- {row.standard_error:.4f}"
        )
        against = (
            f", {row.difference:+.4f} +- {row.difference_error:.4f} seed by seed" if row.difference else ""
        )
        say(console, f"Test, {row.task}, {row.num_seeds} seeds: {row.optimizer}: {mean}{against}")


def print_simplification(console: Console, record: SimplifyRecord) -> None:
    """The steps, how sure they are, and the result."""
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
        say(console, "Nothing simpler was found.")
    shown = ", ".join(f"{size.statements} ({name})" for name, size in record.sizes.items())
    say(
        console,
        f"Statements: {shown}. {record.seconds:.0f} seconds, {record.proof_seconds:.0f} of them proofs.",
    )
    for note in record.notes:
        say(console, f"Note: {note}")
    if record.tried:
        made = sum(step.evidence is not None for step in record.steps)
        margin, sure = record.settings.margin, 1 - record.settings.error
        say(
            console,
            f"Tried {len(record.tried)} changes on {', '.join(record.tasks)} (validation data), made {made}; "
            f"with probability {sure:g} over seeds, all together lose at most {margin:g} of fitness there.",
        )
    say(console, "")
    _print_program(console, record.simplified)
    if record.recognized:
        say(console, f"Recognition: {record.recognized}")


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
