"""What the commands share: options, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from lion_search.dsl.errors import LionSearchError, did_you_mean

Reference = Annotated[str, typer.Argument(metavar="REF", help="A file, a library name, or RUN:ID.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or a name under runs/.")]
RunOrLog = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, a name under runs/, or a URL of a log.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
_WORKERS = typer.Option(metavar="NUMBER|auto|inline", help="Ray workers: auto is one a core; inline, none.")
Workers = Annotated[str, _WORKERS]
OptionalWorkers = Annotated[str | None, _WORKERS]
"""Where a configuration says how many."""
Address = Annotated[
    str | None,
    typer.Option(metavar="auto|HOST:PORT", help="A running Ray cluster to train on; default: RAY_ADDRESS."),
]


def _load(references: list[str] | None) -> list[str] | None:
    for reference in references or ():
        from lion_search.dsl.trials import load_tried

        load_tried(reference)
    return references


OwnFunctions = Annotated[
    list[str] | None,
    typer.Option(
        "--functions",
        metavar="MODULE:NAME",
        help="A function of your own that programs use; repeatable. Those of a run are known.",
        callback=_load,
    ),
]
"""Of all commands that read programs; the functions are loaded before the command begins."""

MODES = ("auto", "interpreted", "compiled", "batched")


def read_workers(text: str) -> int | str:
    """The value of ``--workers``.

    Raises:
        LionSearchError: it is no number of workers, ``auto`` or ``inline``.
    """
    if text in ("auto", "inline"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise LionSearchError(f"--workers {text}: expected a number from 1, auto or inline")


def read_choice(name: str, found: str, allowed: Sequence[str]) -> str:
    """The value of an option that takes a few words.

    Raises:
        LionSearchError: it is none of those allowed; the nearest is suggested.
    """
    if found not in allowed:
        hint = did_you_mean(found, allowed)
        raise LionSearchError(f"--{name} {found}{hint}; there are: {', '.join(allowed)}")
    return found
