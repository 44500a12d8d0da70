"""What a person sees while a search runs: a live panel on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from lion_search.runs.audience import Display
from lion_search.search.progress import Progress

SECONDS_BETWEEN_LINES = 15.0


def make_display(console: Console, title: str, *, quiet: bool) -> Display:
    """The display that fits the console."""
    if quiet:
        return _Silent()
    return _Panel(console, title) if console.is_terminal else _Lines(console)


class _Silent:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def show(self, progress: Progress) -> None:
        return None


class _Lines(_Silent):
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            cells = [f"{name.lower()} {value}" for name, value in progress_cells(progress)]
            self._console.print("; ".join(cells), markup=False, highlight=False, soft_wrap=True)


class _Panel:
    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        table = Table.grid(padding=(0, 2))
        for name, value in progress_cells(progress):
            table.add_row(f"[dim]{name}[/]", value)
        self._live.update(Panel(table, title=self._title, title_align="left", expand=False))


def progress_cells(progress: Progress) -> list[tuple[str, str]]:
    """What is shown of a snapshot: names and values."""
    seconds = max(progress.seconds, 1e-9)
    failures = ", ".join(f"{kind} {count:,}" for kind, count in sorted(progress.failures.items()))
    hits = ", ".join(
        f"{cause.replace('_', ' ')} {count:,}" for cause, count in progress.hits.items() if count
    )
    return [
        ("Programs", f"{progress.num_programs:,} ({progress.num_programs / seconds:,.0f}/s)"),
        ("Evaluated", f"{progress.num_evaluated:,} ({progress.num_evaluated / seconds:,.0f}/s)"),
        ("Hit rate", f"{progress.hit_rate:.1%}" + (f" ({hits})" if hits else "")),
        ("Novel", f"{progress.num_novel:,} ({3600 * progress.num_novel / seconds:,.0f} an hour)"),
        ("Redundant", f"{progress.redundant_share:.1%} of the last genomes' statements"),
        ("Fitness", _fitness_cell(progress)),
        *(
            (niche.capitalize(), f"best {best.fitness:+.4f} (judged {best.judged:+.4f}), {best.id}")
            for niche, best in progress.frontier.items()
        ),
        ("Failures", failures or "none"),
        *([("Hurdles", f"saved {progress.stopped_share:.1%} of training")] if progress.stopped_share else []),
        ("Time left", f"{format_seconds(progress.seconds_left)} after {format_seconds(progress.seconds)}"),
    ]


def _fitness_cell(progress: Progress) -> str:
    if progress.best_fitness is None or progress.best_judged is None or progress.median_fitness is None:
        return "not known yet"
    judged = ""
    if abs(progress.best_judged - progress.best_fitness) > 1e-9:
        judged = f" (judged {progress.best_judged:+.4f})"
    return (
        f"best {progress.best_fitness:+.4f}{judged} on {progress.best_seeds} trainings, "
        f"median {progress.median_fitness:+.4f}"
    )


def format_seconds(seconds: float | None) -> str:
    """Minutes and seconds, hours where there are any."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
