"""The terminal: lines."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.text import Text

from lion_search.commands.printing.wrapping import wrapped


def make_console() -> Console:
    """The terminal; where it is none, lines are as long as they are."""
    return Console(soft_wrap=not sys.stdout.isatty(), emoji=False)  # a task may be called mine:zero


def say(console: Console, text: object) -> None:
    """Prints sentences as they are; a terminal gets them broken between words."""
    lines = wrapped(str(text), console.width) if console.is_terminal else [str(text)]
    say_line(console, "\n".join(lines))


def say_line(console: Console, text: object, *, style: str = "") -> None:
    """Prints what is to be copied, such as a command, a path or code: no line of it is broken by us."""
    console.print(Text(str(text), style=style), soft_wrap=True)


def print_file(text: str) -> None:
    """Prints what is to become a file, such as code: in UTF-8, whatever the terminal's encoding is."""
    takes_bytes = hasattr(sys.stdout, "buffer")  # a notebook's takes text only
    typer.echo(text.encode(errors="backslashreplace") if takes_bytes else text, nl=False)
