"""What a run hands over."""

from __future__ import annotations

from rich.console import Console

from lion_search.commands.printing.comparison import print_rows
from lion_search.commands.printing.display import format_seconds
from lion_search.commands.printing.simplification import print_simplification
from lion_search.commands.printing.terminal import say
from lion_search.runs.result import RunResult


def print_result(console: Console, result: RunResult) -> None:
    """What a run found, and the commands to look at it."""
    progress, winner = result.progress, result.finalists[0]
    say(
        console,
        f"\nSearched {progress.num_programs:,} programs in {format_seconds(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {progress.hit_rate:.1%}, "
        f"{progress.redundant_share:.1%} of the population's statements redundant.",
    )
    reference = f"{result.folder}:{winner.individual.id}"
    say(
        console,
        f"Winner {reference}: fitness {winner.fitness:+.4f} on fresh seeds "
        f"({winner.search_fitness:+.4f} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {winner.price:.4f}, which is not taken "
            "off the fitness above.\n",
        )
    print_rows(console, result.test_rows, "test")
    print_simplification(console, result.simplification)
    say(console, "Exported:", *(str(path) for path in result.exports))
    say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        say(console, f"  lion-search {command}")
