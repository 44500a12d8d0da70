"""Individuals and events a line each, the rows of a query."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import typer

from lion_search.analysis.logged import LoggedRow
from lion_search.commands.printing.interruption import until_interrupted
from lion_search.commands.printing.output import csv_line
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import make_console, say
from lion_search.commands.printing.wrapping import visible
from lion_search.dsl.shown import plural, signed, significant
from lion_search.results.strict_json import to_json

LOGGED = tuple(field.name for field in fields(LoggedRow))
EVENT = ("time", "event", "told")
"""Columns of CSV; the last is what an event says besides, as JSON."""


def print_logged(looks: Iterable[Sequence[LoggedRow]], *, as_json: bool, as_csv: bool) -> None:
    """A line for each individual."""
    _print_lines(looks, _csv if as_csv else to_json if as_json else _logged_line, LOGGED if as_csv else ())


def print_events(looks: Iterable[Sequence[str]], *, as_json: bool, as_csv: bool) -> None:
    """A line for each event; as JSON they are as they stand in the file."""
    _print_lines(looks, _event_csv if as_csv else str if as_json else _event_line, EVENT if as_csv else ())


def _print_lines(
    looks: Iterable[Sequence[Any]], written: Callable[[Any], str], titles: Sequence[str]
) -> None:
    """A line for each of what was found at each look, at once, under titles if there are any."""
    try:
        for place, found in enumerate(until_interrupted(looks)):
            lines = [csv_line(titles)] if titles and place == 0 else []
            for line in (*lines, *map(written, found)):
                typer.echo(line)
    except KeyboardInterrupt:  # the following was ended, and nothing else
        return


def _csv(row: LoggedRow) -> str:
    return csv_line([getattr(row, name) for name in LOGGED])


def _logged_line(row: LoggedRow) -> str:
    """At most 80 columns for all but long mutations, which come last."""
    source = "" if row.parent_id is None else f" of {row.parent_id}"
    shared = "" if row.scored_id == row.id else f" as {row.scored_id}"
    found = row.status if row.fitness is None else f"{row.status} {signed(row.fitness)}"
    size = f"{row.statements} statements, {plural(row.states, 'state')}"
    return f"{row.id:>7}  {row.outcome}{shared}  {found}  {size}  {row.mutation}{source}"


def _event_line(line: str) -> str:
    """Time, name, and what it says besides."""
    time, name, rest = _event(line)
    told = "  ".join(f"{k} {v}" for k, v in rest.items() if isinstance(v, str | int | float))
    return visible("  ".join(filter(None, (time, name, told))))


def _event_csv(line: str) -> str:
    time, name, rest = _event(line)
    return csv_line([time, name, to_json(rest) if rest else ""])


def _event(line: str) -> tuple[str, str, Mapping[str, Any]]:
    """Time, name and the rest; of a line that was cut off, all of it for a name."""
    try:
        event = json.loads(line)
        return event.pop("time"), event.pop("event"), event
    except (ValueError, KeyError, AttributeError):
        return "", line, {}


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
