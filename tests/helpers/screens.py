"""What a person sees of a search: progress to show, and a screen to look at."""

from __future__ import annotations

import io

from rich.console import Console

from lion_search.search.progress import Progress

PROGRESS = Progress(
    seconds=200.0,
    num_programs=24_000,
    num_evaluated=6_000,
    num_novel=5_900,
    num_in_flight=17,
    hits={"same_as_parent": 8_000, "seen": 10_000, "fingerprint": 0},
    redundant_share=0.415,
    best_id=1_234,
    best_fitness=0.1234,
    best_judged=0.1134,
    best_seeds=8,
    frontier={},
    median_fitness=-0.04321,
    failures={"diverged": 1_234, "crashed": 5},
    stopped_share=0.25,
    seconds_in_store=1.5,
    seconds_left=3_725.0,
)


def console(*, terminal: bool = False, width: int = 160) -> Console:
    """A screen, or a file."""
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, legacy_windows=False)


def printed(console: Console) -> str:
    """What is on it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
