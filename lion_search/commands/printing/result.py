"""What a run hands over."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

from rich.console import Console

from lion_search.commands.printing.card import print_card
from lion_search.commands.printing.comparison import print_rows
from lion_search.commands.printing.simplification import print_simplification
from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say, say_line
from lion_search.dsl.cost import relative_cost
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import duration, percent, plural, signed, significant, with_error
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import FAULTS
from lion_search.runs.meta_validating import told
from lion_search.runs.result import RunResult
from lion_search.selection.funnel import ADAMW, Placing

FRONTIER_COLUMNS = (
    Column("Niche"),
    Column("ID", right=True),
    Column("Fitness", right=True),
    Column("Statements", right=True, drop=1),
    Column("Cost", right=True, drop=2),
    Column("Recognition", prose=True),
)


def print_result(console: Console, result: RunResult, report: Path | LionSearchError) -> None:
    """What a run found, and where to look next: its report, or why there is none, and commands."""
    progress, best = result.progress, result.best
    say(
        console,
        f"\nSearched {plural(progress.num_programs, 'program')} in {duration(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {percent(progress.hit_rate)}, "
        f"{percent(progress.redundant_share)} of the last genomes' statements redundant.",
    )
    if num_faults := sum(progress.failures.get(status, 0) for status in FAULTS):
        say(
            console,
            f"{num_faults:,} crashed, timed out or ran out of memory; why: lion-search stats {result.folder}",
        )
    reference = f"{result.folder}:{best.winner.individual.id}"
    print_findings(console, result, reference)
    for each in result.frontier:
        if len(result.frontier) > 1:
            say(console, f"The best with {each.niche}, {each.winner.individual.id}:")
        print_simplification(console, each.simplification)
    if result.card is not None:
        print_card(console, result.card)
    _print_files(console, result, report, reference)


def print_findings(console: Console, result: RunResult, reference: str) -> None:
    """The tables: what was found, how far it carries, and what it is on test data."""
    if len(result.frontier) > 1:
        _print_frontier(console, result)
    _print_meta_validation(console, result)
    _print_funnel(console, result)
    _print_winner(console, result, reference)
    for _, rows in itertools.groupby(result.test_rows, key=lambda row: row.num_seeds):
        print_rows(console, [*rows], "test")


def _print_files(console: Console, result: RunResult, report: Path | LionSearchError, reference: str) -> None:
    """What was exported, and commands."""
    exports = [*result.recommended, *(path for each in result.frontier for path in each.exports)]
    say_line(console, "Exported:")
    for path in exports:
        say_line(console, f"  {path}")
    if isinstance(report, LionSearchError):
        say(console, f"Note: there is no report: {report}")
    say(console, "\nNext:")
    if isinstance(report, Path):
        say_line(console, f"  {report}  (open it in a browser)")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        say_line(console, f"  lion-search {command}")


def _print_meta_validation(console: Console, result: RunResult) -> None:
    """Where it parts from fitness, if it was asked for."""
    if result.meta_validation is not None:
        text = told(result.meta_validation)
        say(console, f"{text[0].upper()}{text[1:]}.\n")


def _print_frontier(console: Console, result: RunResult) -> None:
    """A row for each niche: its winner, how good it is, and what it is."""
    rows = [
        (
            best.niche,
            str(best.winner.individual.id),
            signed(best.winner.fitness),
            str(best.simplification.sizes["experiments"].statements),
            f"{relative_cost(parse(best.simplification.simplified)):.2f}",
            best.simplification.recognized,
        )
        for best in result.frontier
    ]
    print_table(console, FRONTIER_COLUMNS, rows)
    say(console, "Cost is that of a step, simplified, in steps of AdamW, by count of operations.\n")


def _print_funnel(console: Console, result: RunResult) -> None:
    """A row for each program on each rung, then what follows for the user."""
    if not result.ascent.num_rungs:
        return
    columns = (
        Column("Rung", right=True), Column("Niche"), Column("ID", right=True),
        Column("Seeds", right=True, drop=1),
        Column("Lead on tuned AdamW"), Column("Verdict", prose=True),
    )  # fmt: skip
    rows = [
        (
            str(number),
            placing.entrant.niche,
            str(placing.entrant.individual.id),
            f"{placing.num_seeds:,}",
            _lead(placing),
            placing.verdict(),
        )
        for number, rung in enumerate(result.ascent.rungs, start=1)
        for placing in rung.placings
    ]
    if rows:
        print_table(console, columns, rows)
    if result.ascent.through(result.best.niche) is None:
        say(console, "No program passed the funnel; the winner is the one that came furthest.\n")
        return
    passed = [best.niche for best in result.frontier if result.ascent.through(best.niche)]
    why = ", the fewest states of those that are as good" * (len(passed) > 1)
    confirmed = result.best.confirmed
    how = (
        ""
        if confirmed is None
        else ", simplified"
        if confirmed.has_passed
        else ", not simplified, which did not pass"
    )
    say(console, f"Passed the funnel: {', '.join(passed)}. Recommended: {result.best.niche}{how}{why}.\n")


def _lead(placing: Placing) -> str:
    own = placing.leads.get(ADAMW)
    if own is None:
        return ""
    return (
        signed(own.mean) if math.isnan(own.standard_error) else with_error(own.mean, own.standard_error, "+")
    )


def _print_winner(console: Console, result: RunResult, reference: str) -> None:
    winner = result.best.winner
    tuned = ", its constants tuned after the search" if winner.is_tuned else ""
    say(
        console,
        f"Winner {reference}{tuned}: fitness {signed(winner.fitness)} on fresh seeds "
        f"({signed(winner.search_fitness)} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {significant(winner.price)}, which is "
            "not taken off the fitness above.\n",
        )
