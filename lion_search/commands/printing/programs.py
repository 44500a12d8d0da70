"""A program with its redundant statements marked, and what it is in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from lion_search.analysis.describing import Description
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say_line
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_header, format_return, format_statement


def print_marked(console: Console, program: Program, live: Sequence[bool], note: str = "") -> None:
    """Prints a program; a comment stands behind each statement on which no update depends.

    A note, if there is one, is a comment above it.
    """
    lines = [format_statement(statement) for statement in program.statements]
    width = max((len(line) for line in lines), default=0)
    for line in note.splitlines():
        say_line(console, f"# {line}")
    say_line(console, format_header(program))
    for line, is_live in zip(lines, live, strict=True):
        text = f"    {line}" if is_live else f"    {line:<{width}}  # redundant"
        say_line(console, text, style="" if is_live else "dim")
    say_line(console, f"    {format_return(program)}")


def print_description(console: Console, found: Description) -> None:
    """Prints a line for each of its numbers."""
    rows = []
    for name in Description.__slots__:
        value = getattr(found, name)
        shown = ", ".join(f"{k}: {v}" for k, v in value.items()) if name == "types" else str(value)
        rows.append((name.replace("_", " "), shown))
    print_table(console, (Column(""), Column("", prose=True)), rows)
