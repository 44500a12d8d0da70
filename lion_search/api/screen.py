"""What a person sees while a search runs in a notebook: one output that is replaced, not line after line.

In a script it is what the command line shows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, Self

from lion_search.commands.printing.display import Screen, progress_cells
from lion_search.commands.printing.display import make_screen as make_terminal_screen
from lion_search.commands.printing.terminal import make_console
from lion_search.search.progress import Progress

_SECONDS_BETWEEN = 1.0


def make_screen(*, quiet: bool) -> Screen:
    """The screen that fits: of a notebook, a terminal, or of what a script's output goes into."""
    if not quiet and _is_notebook():
        return _Notebook()
    return make_terminal_screen(make_console(), quiet=quiet)


def _is_notebook() -> bool:
    """Whether this process is a notebook's kernel. Who has not imported IPython is in none."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


class _Notebook:
    """An output of a cell: the lines that were told, and below them the search's progress."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._progress: Progress | None = None
        self._when = 0.0
        self._output: Any = None

    def __enter__(self) -> Self:
        from IPython.display import HTML, display

        self._html = HTML
        self._output = display(HTML(""), display_id=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._show()

    def report(self, line: str) -> None:
        self._lines.append(line)
        self._show()

    @contextmanager
    def display(self, name: str) -> Iterator[Callable[[Progress], None]]:
        def show(progress: Progress) -> None:
            self._progress = progress
            if time.monotonic() - self._when >= _SECONDS_BETWEEN:
                self._show()

        yield show

    def _show(self) -> None:
        self._when = time.monotonic()
        cells = progress_cells(self._progress) if self._progress is not None else ()
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(name)}</th>'
            f'<td style="text-align: left">{escape(value)}</td></tr>'
            for name, value in cells
        )
        lines = escape("\n".join(self._lines))
        text = f'<pre style="white-space: pre-wrap">{lines}</pre><table>{rows}</table>'
        self._output.update(self._html(text))
