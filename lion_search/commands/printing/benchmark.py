"""A benchmark on the terminal: the scores, and a row for each optimizer on each task."""

from __future__ import annotations

from rich.console import Console

from lion_search.analysis.benchmarking import Benchmark
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say
from lion_search.report.benchmark import SCORE_TITLES, explanation, score_cells, task_table

_DROPPED = {"Bytes": 1, "Passes": 2, "Time": 3}
"""Where room is short, columns of the highest number are left out first."""


def print_benchmark(console: Console, found: Benchmark) -> None:
    """Tables, failures, and what the numbers mean."""
    titles, cells = task_table(found.rows)
    columns = [
        Column(title, name=place == 0, right=place > 1, drop=_DROPPED.get(title, 0))
        for place, title in enumerate(titles)
    ]
    print_table(console, columns, cells)
    for row in found.rows:
        if row.failure:
            say(console, f"{row.task}, {row.optimizer}: {row.failure}")
    say(console, "")
    columns = [Column(title, name=place == 0, right=place > 0) for place, title in enumerate(SCORE_TITLES)]
    print_table(console, columns, [score_cells(score) for score in found.scores])
    say(console, f"\n{explanation(found)}")
