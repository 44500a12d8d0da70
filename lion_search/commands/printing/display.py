"""What a person sees while something takes long.

On a terminal: the lines that are told, below them a live panel while a search runs, and else how long ago
the last line was. Elsewhere: the lines, and while a search runs one of its progress now and then, the last
one too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lion_search.commands.printing.terminal import make_console, say
from lion_search.commands.printing.wrapping import visible, wrapped
from lion_search.dsl.shown import duration, percent, plural, rate, signed
from lion_search.runs.audience import Audience
from lion_search.search.progress import Progress

SECONDS_BETWEEN_LINES = 15.0
_FRAME = 18
"""Columns of the panel that are not for values."""


class Screen(Protocol):
    """Where a command tells what it does; left clean at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def report(self, line: str) -> None:
        """Prints a line."""
        ...

    def display(self, name: str) -> AbstractContextManager[Callable[[Progress], None]]:
        """While it is entered, the progress of the search of the run of that name is shown."""
        ...


def make_screen(console: Console, *, quiet: bool = False) -> Screen:
    """The screen that fits the console."""
    if quiet:
        return _Silent()
    is_live = console.is_terminal and not console.is_dumb_terminal
    return _Terminal(console) if is_live else _Lines(console)


def reporting(*, quiet: bool = False) -> Screen:
    """The screen of a command, to be entered; quiet where JSON is printed."""
    return make_screen(make_console(), quiet=quiet)


def audience_of(screen: Screen) -> Audience:
    """Whom a run tells what it does."""
    return Audience(screen.report, screen.display)


class _Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def report(self, line: str) -> None:
        return None

    @contextmanager
    def display(self, name: str) -> Iterator[Callable[[Progress], None]]:
        yield lambda progress: None


class _Lines(_Silent):
    def __init__(self, console: Console) -> None:
        self._console = console

    def report(self, line: str) -> None:
        say(self._console, line)

    @contextmanager
    def display(self, name: str) -> Iterator[Callable[[Progress], None]]:
        when, said, last = -math.inf, "", ""

        def show(progress: Progress) -> None:
            nonlocal when, said, last
            last = _line(progress)
            if time.monotonic() - when >= SECONDS_BETWEEN_LINES:
                say(self._console, last)
                when, said = time.monotonic(), last

        try:
            yield show
        finally:
            if last != said:
                say(self._console, last)


class _Terminal(_Silent):
    def __init__(self, console: Console) -> None:
        self._console = console
        self._since = time.monotonic()
        self._panel: Panel | None = None
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def report(self, line: str) -> None:
        self._since = time.monotonic()
        say(self._console, line)

    @contextmanager
    def display(self, name: str) -> Iterator[Callable[[Progress], None]]:
        def show(progress: Progress) -> None:
            is_first = self._panel is None
            self._panel = _panel(progress, f"lion-search: {visible(name)}", self._console.width)
            if is_first:
                self._live.refresh()

        try:
            yield show
        finally:
            self._panel, self._since = None, time.monotonic()

    def _render(self) -> RenderableType:
        if self._panel is not None:
            return self._panel
        seconds = time.monotonic() - self._since
        return Text(f"... {duration(seconds)}" if seconds >= 1 else "", style="dim")


def _panel(progress: Progress, title: str, width: int) -> Panel:
    table = Table.grid(padding=(0, 2))
    for name, value in progress_cells(progress):
        table.add_row(Text(name, style="dim"), Text("\n".join(wrapped(value, width - _FRAME))))
    return Panel(table, title=Text(title), title_align="left", expand=False)


def _line(progress: Progress) -> str:
    """A snapshot in a line."""
    return "; ".join(f"{name.lower()} {value}" for name, value in progress_cells(progress))


def progress_cells(progress: Progress) -> list[tuple[str, str]]:
    """What is shown of a snapshot: names and values."""
    seconds = max(progress.seconds, 1e-9)
    failures = ", ".join(f"{kind} {count:,}" for kind, count in sorted(progress.failures.items()))
    hits = ", ".join(
        f"{cause.replace('_', ' ')} {count:,}" for cause, count in progress.hits.items() if count
    )
    return [
        ("Programs", f"{progress.num_programs:,} ({rate(progress.num_programs / seconds)}/s)"),
        ("Evaluated", f"{progress.num_evaluated:,} ({rate(progress.num_evaluated / seconds)}/s)"),
        ("Hit rate", percent(progress.hit_rate) + (f" ({hits})" if hits else "")),
        ("Novel", f"{progress.num_novel:,} ({rate(3600 * progress.num_novel / seconds)} an hour)"),
        ("Redundant", f"{percent(progress.redundant_share)} of the last genomes' statements"),
        ("Fitness", _fitness_cell(progress)),
        *(
            (niche.capitalize(), f"best {signed(best.fitness)} (judged {signed(best.judged)}), {best.id}")
            for niche, best in progress.frontier.items()
        ),
        ("Failures", failures or "none"),
        *(
            [("Hurdles", f"saved {percent(progress.stopped_share)} of training")]
            * bool(progress.stopped_share)
        ),
        ("Time left", f"{duration(progress.seconds_left)} after {duration(progress.seconds)}"),
    ]


def _fitness_cell(progress: Progress) -> str:
    if progress.best_fitness is None or progress.best_judged is None or progress.median_fitness is None:
        return "not known yet"
    judged = ""
    if abs(progress.best_judged - progress.best_fitness) > 1e-9:
        judged = f" (judged {signed(progress.best_judged)})"
    return (
        f"best {signed(progress.best_fitness)}{judged} on "
        f"{plural(progress.best_seeds, 'training')}, median {signed(progress.median_fitness)}"
    )
