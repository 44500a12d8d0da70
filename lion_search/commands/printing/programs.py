"""A program with its redundant statements marked, and what it is in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from lion_search.analysis.describing import Description
from lion_search.commands.printing.terminal import make_console
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_header, format_return, format_statement


def print_marked(program: Program, live: Sequence[bool], note: str = "") -> None:
    """Prints a program; a comment stands behind each statement on which no update depends.

    A note, if there is one, is a comment above it.
    """
    console = make_console()
    lines = [format_statement(statement) for statement in program.statements]
    width = max((len(line) for line in lines), default=0)
    for line in note.splitlines():
        console.print(Text(f"# {line}"))
    console.print(Text(format_header(program)))
    for line, is_live in zip(lines, live, strict=True):
        text = f"    {line}" if is_live else f"    {line:<{width}}  # redundant"
        console.print(Text(text, style="" if is_live else "dim"))
    console.print(Text(f"    {format_return(program)}"))


def print_description(found: Description) -> None:
    """Prints a line for each of its numbers."""
    table = Table.grid(padding=(0, 2))
    for name in Description.__slots__:
        value = getattr(found, name)
        shown = ", ".join(f"{k}: {v}" for k, v in value.items()) if name == "types" else str(value)
        table.add_row(name.replace("_", " "), shown)
    make_console().print(table)
