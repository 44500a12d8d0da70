"""What the commands share: options, and how they print."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

Reference = Annotated[str, typer.Argument(metavar="REF", help="A file, a library name, or RUN:ID.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a name under runs/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Workers = Annotated[str, typer.Option(help="Number of Ray workers, auto (one a core), or inline.")]


def make_console() -> Console:
    """The terminal; where it is none, lines are as long as they are."""
    return Console(soft_wrap=not sys.stdout.isatty())


def print_json(value: Any) -> None:
    """Prints JSON values."""
    typer.echo(json.dumps(value, indent=1))
