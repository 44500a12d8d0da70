"""What searches found and did: their best programs, one in numbers, several as learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column, Table
from rich.text import Text

from lion_search.analysis.frontier import Place
from lion_search.commands.printing.display import format_seconds
from lion_search.commands.printing.terminal import say
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.scores import Status, one_line
from lion_search.results.curves import FitnessCurve, FitnessPoint
from lion_search.results.statistics import RECENT, Statistics
from lion_search.selection.run_comparison import RunComparison


def print_ranking(console: Console, rows: Sequence[Mapping[str, Any]], *, has_prices: bool) -> None:
    """A row for each program, the best first."""
    names = [name for name in rows[0] if name != "failure"] if rows else ["id", "fitness"]
    table = Table(*("ID" if name == "id" else name.replace("_", " ").capitalize() for name in names))
    for row in rows:
        table.add_row(*(_ranked_cell(name, row[name]) for name in names))
    console.print(table)
    what = " and less the price of states and statements" * has_prices
    say(console, f"Ranked by Judged: fitness with caution for few seeds{what}.")
    for row in rows:
        if (failed := row["failure"]) is not None:
            where = f"{failed['status']} on {failed['task']}, seed {failed['seed']}"
            say(console, f"{row['id']}: {where}: {one_line(failed['reason'])}")


def _ranked_cell(name: str, value: Any) -> str:
    if name in ("fitness", "judged"):
        return f"{value:+.4f}"
    return f"{value:.4f}" if name == "price" else value[:12] if name == "hash" else str(value)


def print_frontier(console: Console, places: Sequence[Place], run: str) -> None:
    """The best program for each number of state arrays."""
    table = Table("States", "ID", "Fitness", "Seeds", "Judged", "Fresh seeds", "Statements")
    for place in places:
        row, fresh = place.ranked, place.fresh_fitness
        table.add_row(
            str(place.num_states),
            str(row.individual.id),
            f"{row.fitness:+.4f}",
            str(row.num_seeds),
            f"{row.judged:+.4f}",
            "" if fresh is None else f"{fresh:+.4f} on {place.num_fresh}",
            str(len(place.simplified.statements)),
        )
    console.print(table)
    say(console, "Fitness: 0 is tuned AdamW, higher is better. Programs are as short as proofs make them.")
    for place in places:
        states = f"{place.num_states} state{'s' * (place.num_states != 1)}"
        say(console, f"\n{states}, {run}:{place.ranked.individual.id}: {place.recognized}")
        console.print(Syntax(format_program(place.simplified), "python", background_color="default"))


def frontier_json(place: Place) -> dict[str, Any]:
    """One place of the frontier as JSON values."""
    row = place.ranked
    return {
        "states": place.num_states,
        "id": row.individual.id,
        "fitness": row.fitness,
        "judged": row.judged,
        "seeds": row.num_seeds,
        "fresh_fitness": place.fresh_fitness,
        "fresh_seeds": place.num_fresh,
        "recognized": place.recognized,
        "program": format_program(place.simplified),
    }


def print_comparison(console: Console, found: RunComparison) -> None:
    """A row for each checkpoint, a column for each label; then what failed."""
    headers = [Column(Text(_header(curve)), justify="right", overflow="fold") for curve in found.curves]
    table = Table(Column("Trainings", justify="right"), *headers)
    by_label = [{p.trainings: p for p in curve.points} for curve in found.curves]
    for trainings in found.checkpoints:
        table.add_row(f"{trainings:,}", *(_cell(points.get(trainings)) for points in by_label))
    console.print(table)
    say(
        console,
        f"Fitness on the {found.part} part of {', '.join(found.tasks)}, {found.num_seeds} fresh seeds, the "
        "same for all; 0 is tuned AdamW, higher is better.\n"
        "+- is one standard error: over the runs of a label, or over seeds where it has one run.",
    )
    for line in _failures(found):
        say(console, line)


def print_statistics(console: Console, stats: Statistics) -> None:
    """What a search did, a line for each number, then what its mutations gave."""
    grid = Table.grid(padding=(0, 2))
    for name, value in _statistics_cells(stats):
        grid.add_row(name, Text(value))
    console.print(grid)
    table = Table("Mutation", Column("Programs", justify="right"), Column("Novel", justify="right"))
    for kind, count in stats.mutations.items():
        table.add_row(Text(kind), f"{count.programs:,}", f"{count.novel:,}")
    console.print(table)
    if stats.failures:
        table = Table(
            "Failure", Column("Trainings", justify="right"), Column("Such as", justify="right"), "Reason"
        )
        for group in stats.failures:
            table.add_row(
                str(group.status), f"{group.count:,}", str(group.example), Text(one_line(group.reason))
            )
        console.print(table)


def _header(curve: FitnessCurve) -> str:
    return f"{curve.label} ({curve.num_runs} run{'s' * (curve.num_runs != 1)})"


def _cell(point: FitnessPoint | None) -> str:
    if point is None:
        return ""
    error = "" if math.isnan(point.standard_error) else f" +- {point.standard_error:.4f}"
    return f"{point.fitness:+.4f}{error}"


def _failures(found: RunComparison) -> Iterator[str]:
    """A line for each program that failed on fresh seeds."""
    failed = {(row.run, row.individual_id): row for row in found.measured if row.status is not Status.OK}
    for row in failed.values():
        reason = f": {one_line(row.reason)}" if row.reason else ""
        yield f"Note: {row.run}:{row.individual_id} counts as -1: {row.status} on fresh seeds{reason}"


def _statistics_cells(stats: Statistics) -> list[tuple[str, str]]:
    """Names and values, in the order in which a search happens."""
    each_hour = "" if stats.novel_per_hour is None else f", {stats.novel_per_hour:,.0f} an hour"
    searched = "not recorded" if stats.search_seconds is None else format_seconds(stats.search_seconds)
    hits = f"{stats.same_as_parent:,} same as parent, {stats.seen:,} seen, {stats.fingerprint:,} fingerprint"
    return [
        ("Programs", f"{stats.programs:,}"),
        ("Hits", f"{stats.hits:,} ({_percent(stats.hit_rate)}): {hits}"),
        ("Evaluated", f"{stats.evaluated:,}"),
        ("Resampled", f"{stats.resampled:,}"),
        ("Reused", f"{stats.reused:,}"),
        ("Novel", f"{stats.novel:,}{each_hour}"),
        ("Search took", searched),
        ("Trainings", f"{stats.trainings:,}, {format_seconds(stats.training_seconds)} in all workers"),
        ("Trained programs", _listed(stats.statuses)),
        ("Redundant statements", f"{_percent(stats.redundant_share)} in the last {RECENT:,} programs"),
        ("Update scales kept", _listed(stats.update_scales)),
        ("Stopped by a hurdle", f"{stats.stopped:,}, {_percent(stats.saved_share)} of training time saved"),
        ("Populations", f"{stats.repeats:,}, {stats.restarts:,} restarts"),
        ("Repeatable from its seed", "yes" if stats.is_repeatable else "no"),
    ]


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
