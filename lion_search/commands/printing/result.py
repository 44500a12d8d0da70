"""What a run hands over."""

from __future__ import annotations

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lion_search.commands.printing.comparison import print_rows
from lion_search.commands.printing.display import format_seconds
from lion_search.commands.printing.simplification import print_simplification
from lion_search.commands.printing.terminal import say
from lion_search.proxy_tasks.scores import FAULTS
from lion_search.runs.result import RunResult


def print_result(console: Console, result: RunResult) -> None:
    """What a run found, and the commands to look at it."""
    progress, best = result.progress, result.best
    say(
        console,
        f"\nSearched {progress.num_programs:,} programs in {format_seconds(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {progress.hit_rate:.1%}, "
        f"{progress.redundant_share:.1%} of the population's statements redundant.",
    )
    if num_faults := sum(progress.failures.get(status, 0) for status in FAULTS):
        say(
            console,
            f"{num_faults:,} crashed, timed out or ran out of memory; why: lion-search stats {result.folder}",
        )
    if len(result.frontier) > 1:
        _print_frontier(console, result)
    reference = f"{result.folder}:{best.winner.individual.id}"
    _print_winner(console, result, reference)
    print_rows(console, result.test_rows, "test")
    for each in result.frontier:
        if len(result.frontier) > 1:
            say(console, f"The best with {each.niche}, {each.winner.individual.id}:")
        print_simplification(console, each.simplification)
    exports = [path for each in result.frontier for path in each.exports]
    say(console, "Exported:", *(str(path) for path in exports))
    say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        say(console, f"  lion-search {command}")


def _print_frontier(console: Console, result: RunResult) -> None:
    """A row for each niche: its winner, how good it is, and what it is."""
    table = Table("Niche", "ID", "Fitness", "Statements", Column("Recognition", overflow="fold"))
    for best in result.frontier:
        record, winner = best.simplification, best.winner
        statements = str(record.sizes["experiments"].statements)
        shown = f"{winner.fitness:+.4f}"
        table.add_row(best.niche, str(winner.individual.id), shown, statements, Text(record.recognized))
    console.print(table)


def _print_winner(console: Console, result: RunResult, reference: str) -> None:
    winner = result.best.winner
    tuned = ", its constants tuned after the search" if winner.is_tuned else ""
    say(
        console,
        f"Winner {reference}{tuned}: fitness {winner.fitness:+.4f} on fresh seeds "
        f"({winner.search_fitness:+.4f} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {winner.price:.4f}, which is not taken "
            "off the fitness above.\n",
        )
