"""Two programs side by side."""

from __future__ import annotations

from lion_search.analysis.difference import Difference
from lion_search.commands.printing.terminal import make_console, say, say_line


def print_difference(found: Difference, first: str, second: str) -> None:
    """The sentence, then the lines of what they compute, and of what is written where that differs more."""
    console = make_console()
    say(console, found.words)
    for title, lines in (("As they are written", found.statements), ("What they compute", found.forms)):
        say_line(console, f"\n{title}: - {first}, + {second}", style="bold")
        is_same = all(line.startswith("  ") for line in lines)
        for line in ("  the same",) if is_same else lines:
            say_line(console, line, style="" if line.startswith("  ") else "bold")
