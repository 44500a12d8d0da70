"""What a run hands over."""

from __future__ import annotations

from rich.console import Console

from lion_search.commands.printing.comparison import print_rows
from lion_search.commands.printing.simplification import print_simplification
from lion_search.commands.printing.terminal import say, say_line
from lion_search.dsl.shown import duration, percent, plural, signed, significant
from lion_search.runs.result import RunResult


def print_result(console: Console, result: RunResult) -> None:
    """What a run found, and the commands to look at it."""
    progress, winner = result.progress, result.finalists[0]
    say(
        console,
        f"\nSearched {plural(progress.num_programs, 'program')} in {duration(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {percent(progress.hit_rate)}, "
        f"{percent(progress.redundant_share)} of the last genomes' statements redundant.",
    )
    reference = f"{result.folder}:{winner.individual.id}"
    say(
        console,
        f"Winner {reference}: fitness {signed(winner.fitness)} on fresh seeds "
        f"({signed(winner.search_fitness)} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {significant(winner.price)}, which is "
            "not taken off the fitness above.\n",
        )
    print_rows(console, result.test_rows, "test")
    print_simplification(console, result.simplification)
    say_line(console, "Exported:")
    for path in result.exports:
        say_line(console, f"  {path}")
    say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        say_line(console, f"  lion-search {command}")
