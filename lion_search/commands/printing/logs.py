"""Individuals a line each, two programs side by side, the rows of a query."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lion_search.commands.printing.output import csv_line
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import make_console, say, say_line
from lion_search.commands.printing.wrapping import visible
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import plural, signed, significant
from lion_search.results.strict_json import to_json

if TYPE_CHECKING:
    from lion_search.analysis.difference import Difference
    from lion_search.analysis.logged import LoggedRow


def print_logged(rows: Iterable[LoggedRow], *, as_json: bool, as_csv: bool) -> None:
    """A line for each individual, written at once; Ctrl-C ends it."""
    is_first = True
    try:
        for row in rows:
            if as_csv and is_first:
                typer.echo(csv_line([field.name for field in fields(row)]))
            is_first = False
            typer.echo(to_json(row) if as_json else _csv(row) if as_csv else _logged_line(row))
    except KeyboardInterrupt:  # the following was ended, and nothing else
        return


def _csv(row: LoggedRow) -> str:
    return csv_line([getattr(row, field.name) for field in fields(row)])


def _logged_line(row: LoggedRow) -> str:
    """At most 80 columns for all but long mutations, which come last."""
    source = "" if row.parent_id is None else f" of {row.parent_id}"
    shared = "" if row.scored_id == row.id else f" as {row.scored_id}"
    found = row.status if row.fitness is None else f"{row.status} {signed(row.fitness)}"
    size = f"{row.statements} statements, {plural(row.states, 'state')}"
    return f"{row.id:>7}  {row.outcome}{shared}  {found}  {size}  {row.mutation}{source}"


def print_events(path: Path, last: int, *, as_json: bool) -> None:
    """The last events of a run; as JSON they are as they stand in the file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LionSearchError(f"cannot read '{path}': {error.strerror}") from error
    for line in lines[-last:]:
        typer.echo(line if as_json else _event_line(line))


def _event_line(line: str) -> str:
    """Time, name, and what it says besides; a line that was cut off, as it is."""
    try:
        event = json.loads(line)
        time, name = event.pop("time"), event.pop("event")
    except (ValueError, KeyError, AttributeError):
        return visible(line)
    told = "  ".join(f"{k} {v}" for k, v in event.items() if isinstance(v, str | int | float))
    return visible(f"{time}  {name}  {told}".rstrip())


def print_difference(found: Difference, first: str, second: str) -> None:
    """The sentence, then the lines of what they compute, and of what is written where that differs more."""
    console = make_console()
    say(console, found.words)
    for title, lines in (("As they are written", found.statements), ("What they compute", found.forms)):
        say_line(console, f"\n{title}: - {first}, + {second}", style="bold")
        is_same = all(line.startswith("  ") for line in lines)
        for line in ("  the same",) if is_same else lines:
            say_line(console, line, style="" if line.startswith("  ") else "bold")


def print_records(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of any columns."""
    console = make_console()
    if not rows:
        say(console, "No rows.")
        return
    numbers = {n for n in rows[0] if all(isinstance(row[n], int | float | None) for row in rows)}
    columns = [Column(name, right=name in numbers, prose=name not in numbers) for name in rows[0]]
    print_table(console, columns, [[_cell(value) for value in row.values()] for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return significant(value) if isinstance(value, float) else str(value)
