"""The terminal: lines, tables and JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from lion_search.results.strict_json import to_json


def make_console() -> Console:
    """The terminal; where it is none, lines are as long as they are."""
    return Console(soft_wrap=not sys.stdout.isatty(), emoji=False)  # a task may be called mine:zero


def say(console: Console, *text: object, soft_wrap: bool | None = None) -> None:
    """Prints a line as it is; ``soft_wrap`` leaves it to the terminal to break it."""
    console.print(*text, highlight=False, markup=False, soft_wrap=soft_wrap)


def print_json(value: Any) -> None:
    """Prints JSON values, or dataclasses of them."""
    typer.echo(to_json(value, indent=1))


def print_table(titles: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the values of rows under titles."""
    table = Table(*titles)
    for row in rows:
        table.add_row(*map(str, row.values()))
    make_console().print(table)
