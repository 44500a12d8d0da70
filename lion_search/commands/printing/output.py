"""What a command found, for programs: as JSON or as CSV. One place for all commands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from lion_search.dsl.errors import LionSearchError
from lion_search.results.strict_json import json_value, to_json


def is_printed(found: Any, *, as_json: bool, as_csv: bool) -> bool:
    """Prints what a command found if it is wanted as JSON or as CSV.

    Args:
        found: dataclasses, objects or a list of them, of JSON values.
        as_json: whether ``--json`` was given.
        as_csv: whether ``--csv`` was given: a row for each object of a list; of one object, a row for each of
            its values.

    Returns:
        Whether it was; if not, it is for a person.

    Raises:
        LionSearchError: it is wanted as both.
    """
    check_form(as_json=as_json, as_csv=as_csv)
    if as_json:
        typer.echo(to_json(found, indent=1))
    elif as_csv:
        typer.echo(to_csv(found), nl=False)
    return as_json or as_csv


def check_form(*, as_json: bool, as_csv: bool) -> None:
    """Checks that at most one form was asked for; for commands that take long, before they begin."""
    if as_json and as_csv:
        raise LionSearchError("--json and --csv exclude each other")


def to_csv(found: Any) -> str:
    """Rows under the names of all their columns; what JSON has as null is empty, lists are JSON.

    Without rows nothing: what their columns would be is not known.
    """
    value = json_value(found)
    if isinstance(value, Mapping):
        value = [{"name": name, "value": cell} for name, cell in _flat(value)]
    rows = [dict(_flat(row)) for row in value]
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def csv_line(cells: Sequence[Any]) -> str:
    """One row, where they come one by one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The cells of an object, those of objects in it under ``outer.inner``."""
    for name, cell in value.items():
        if isinstance(cell, Mapping) and cell:
            yield from _flat(cell, f"{before}{name}.")
        else:
            yield f"{before}{name}", _cell(cell)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | Mapping):
        return to_json(value) if value else ""
    return value
