"""What searches found and did: their best programs, one in numbers, several as learning curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say, say_line
from lion_search.dsl.shown import duration, percent, plural, rate, signed, with_error
from lion_search.proxy_tasks.scores import Status, one_line

if TYPE_CHECKING:
    from lion_search.analysis.frontier import Place
    from lion_search.analysis.function_use import FunctionUse
    from lion_search.analysis.lineage import Ancestor
    from lion_search.results.statistics import Statistics
    from lion_search.selection.run_comparison import RunComparison

NOTHING_YET = "No program trains yet."
_MOST_FUNCTIONS = 8
"""Functions that stand out among the best; ``--json`` has all."""
_RANKING = {
    "island": Column("Island", name=True),
    "id": Column("ID", right=True),
    "fitness": Column("Fitness"),
    "seeds": Column("Seeds", right=True),
    "judged": Column("Judged"),
    "price": Column("Price", drop=2),
    "status": Column("Status"),
    "statements": Column("Statements", right=True, drop=3),
    "live_statements": Column("Live statements", right=True, drop=1),
    "hash": Column("Hash", drop=4),
}


def print_ranking(console: Console, rows: Sequence[Mapping[str, Any]], *, has_prices: bool) -> None:
    """A row for each program, the best first."""
    if not rows:
        say(console, NOTHING_YET)
        return
    names = [name for name in _RANKING if name in rows[0]]
    print_table(
        console, [_RANKING[n] for n in names], [[_ranked_cell(n, row[n]) for n in names] for row in rows]
    )
    what = " and less the price of states and statements" * has_prices
    say(console, f"Ranked by Judged: fitness with caution for few seeds{what}.")
    for row in rows:
        if (failed := row["failure"]) is not None:
            where = f"{failed['status']} on {failed['task']}, seed {failed['seed']}"
            say(console, f"{row['id']}: {where}: {one_line(failed['reason'])}")


def _ranked_cell(name: str, value: Any) -> str:
    if name in ("fitness", "judged"):
        return signed(value)
    if name == "price":
        return f"{value:g}"
    return value[:12] if name == "hash" else f"{value:,}" if name == "seeds" else str(value)


def print_frontier(console: Console, places: Sequence[Place], run: str) -> None:
    """The best program for each number of state arrays."""
    columns = (
        Column("States", right=True), Column("ID", right=True), Column("Fitness"),
        Column("Seeds", right=True), Column("Judged"), Column("Fresh seeds"),
        Column("Statements", right=True, drop=1),
    )  # fmt: skip
    from lion_search.dsl.text import format_program

    if not places:
        say(console, NOTHING_YET)
        return
    print_table(console, columns, map(_place_cells, places))
    how = "Programs are as short as proofs make them."
    if any(place.recognized is None for place in places):
        how = "Shorter forms, and what they are: --identify."
    say(console, f"Fitness: 0 is tuned AdamW, higher is better. {how}")
    for place in places:
        states = plural(place.num_states, "state")
        told = "" if place.recognized is None else f": {place.recognized}"
        say(console, f"\n{states}, {run}:{place.ranked.individual.id}{told}")
        say_line(console, format_program(place.simplified).rstrip())


def _place_cells(place: Place) -> tuple[str, ...]:
    row, fresh = place.ranked, place.fresh_fitness
    return (
        str(place.num_states),
        str(row.individual.id),
        signed(row.fitness),
        f"{row.num_seeds:,}",
        signed(row.judged),
        "" if fresh is None else f"{signed(fresh)} on {place.num_fresh:,}",
        str(len(place.simplified.statements)),
    )


def frontier_json(place: Place) -> dict[str, Any]:
    """One place of the frontier as JSON values."""
    from lion_search.dsl.text import format_program

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


def print_lineage(console: Console, path: Sequence[Ancestor]) -> None:
    """For each ancestor a line of what it is, and the statements that changed."""
    before: Ancestor | None = None
    for one in path:
        say(
            console,
            f"{one.id}  {one.how}, {plural(one.num_states, 'state')}, {_fitness_gained(one, before)}",
        )
        for line in one.changes:
            say_line(console, f"    {line}")
        before = one
    generations = sum(one.generations for one in path) - 1
    say(console, f"{plural(generations, 'generation')}. Fitness: 0 is tuned AdamW, higher is better.")


def _fitness_gained(one: Ancestor, before: Ancestor | None) -> str:
    if one.status is not Status.OK:
        return str(one.status)
    gained = one.gained(before)
    told = "" if gained is None else f" ({signed(gained)})"
    return f"fitness {signed(one.fitness)}{told} on {plural(one.num_seeds, 'seed')}"


def lineage_json(one: Ancestor) -> dict[str, Any]:
    """One ancestor as JSON values."""
    from lion_search.dsl.text import format_program

    return {
        "id": one.id,
        "mutations": list(one.mutations),
        "generations": one.generations,
        "states": one.num_states,
        "status": one.status,
        "fitness": one.fitness,
        "seeds": one.num_seeds,
        "changes": list(one.changes),
        "program": format_program(one.program),
    }


def print_comparison(console: Console, found: RunComparison) -> None:
    """For each checkpoint a row for each label; then what failed."""
    columns = (
        Column("Searches", name=True), Column("Trainings", right=True), Column("Runs", right=True, drop=1),
        Column("Fitness"),
    )  # fmt: skip
    print_table(console, columns, _comparison_cells(found))
    say(
        console,
        f"Fitness on the {found.part} part of {', '.join(found.tasks)}, "
        f"{plural(found.num_seeds, 'fresh seed')}, the same for all; 0 is tuned AdamW, higher is better.\n"
        "+- is one standard error: over the runs of a label, or over seeds where it has one run.",
    )
    for line in _failures(found):
        say(console, line)


def print_statistics(console: Console, stats: Statistics, functions: Sequence[FunctionUse] = ()) -> None:
    """What a search did, a line for each number, then what its mutations gave."""
    print_table(console, (Column(""), Column("", prose=True)), _statistics_cells(stats))
    say_line(console, "")
    columns = (
        Column("Mutation"), Column("Programs", right=True), Column("Novel", right=True),
        Column("Fitter than their parent", right=True),
    )  # fmt: skip
    rows = [
        (
            kind,
            f"{n.programs:,}",
            f"{n.novel:,}",
            f"{n.fitter:,} ({percent(n.fitter / max(1, n.novel))})",
        )
        for kind, n in stats.mutations.items()
    ]
    print_table(console, columns, rows)
    if functions:
        say_line(console, "")
        uses = (Column("Function"), Column("In the best", right=True), Column("In all", right=True))
        used = [row for row in functions if row.best > row.all][:_MOST_FUNCTIONS]
        print_table(console, uses, [(row.function, percent(row.best), percent(row.all)) for row in used])
    if stats.failures:
        say_line(console, "")
        print_table(
            console,
            (
                Column("Failure"),
                Column("Trainings", right=True),
                Column("Such as", right=True),
                Column("Reason", prose=True),
            ),
            [(str(g.status), f"{g.count:,}", str(g.example), one_line(g.reason)) for g in stats.failures],
        )


def _comparison_cells(found: RunComparison) -> Iterator[tuple[str, ...]]:
    for trainings in found.checkpoints:
        for curve in found.curves:
            for point in curve.points:
                if point.trainings == trainings:
                    fitness = with_error(point.fitness, point.standard_error, "+")
                    yield curve.label, f"{trainings:,}", f"{curve.num_runs:,}", fitness


def _failures(found: RunComparison) -> Iterator[str]:
    """A line for each program that failed on fresh seeds."""
    failed = {(row.run, row.individual_id): row for row in found.measured if row.status is not Status.OK}
    for row in failed.values():
        reason = f": {row.reason}" if row.reason else ""
        yield f"Note: {row.run}:{row.individual_id} counts as -1: {row.status} on fresh seeds{reason}"


def _statistics_cells(stats: Statistics) -> list[tuple[str, str]]:
    """Names and values, in the order in which a search happens."""
    each_hour = "" if stats.novel_per_hour is None else f", {rate(stats.novel_per_hour)} an hour"
    searched = "not recorded" if stats.search_seconds is None else duration(stats.search_seconds)
    hits = f"{stats.same_as_parent:,} same as parent, {stats.seen:,} seen, {stats.fingerprint:,} fingerprint"
    again, busy = stats.resampled, stats.workers_busy
    return [
        ("Programs", f"{stats.programs:,}"),
        ("Hits", f"{stats.hits:,} ({percent(stats.hit_rate)}): {hits}"),
        ("Evaluated", f"{stats.evaluated:,}: {stats.evaluated - again:,} first, {again:,} on further seeds"),
        ("Reused", f"{stats.reused:,}"),
        ("Novel", f"{stats.novel:,}{each_hour}"),
        ("Search took", searched),
        ("Trainings", f"{stats.trainings:,}, {duration(stats.training_seconds)} in all workers"),
        ("Workers", "not recorded" if busy is None else f"{busy:.2f} training at a time, on average"),
        ("Ended", _listed(stats.statuses)),
        ("Redundant statements", f"{percent(stats.redundant_share)} in the last genomes"),
        ("Update scales kept", _listed(stats.update_scales)),
        ("Stopped by a hurdle", f"{stats.stopped:,}, {percent(stats.saved_share)} of training time saved"),
        ("Populations", f"{stats.repeats:,}, {plural(stats.restarts, 'restart')}"),
        ("Repeatable from its seed", "yes" if stats.is_repeatable else "no"),
    ]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"
