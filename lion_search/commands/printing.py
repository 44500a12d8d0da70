"""Results on a terminal: tables of optimizers, programs, what a run hands over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column, Table
from rich.text import Text

from lion_search.proxy_tasks.scores import Status
from lion_search.proxy_tasks.tasks import find_task
from lion_search.results.curves import FitnessCurve, FitnessPoint
from lion_search.results.statistics import RECENT, Statistics
from lion_search.runs.display import format_seconds
from lion_search.runs.result import RunResult
from lion_search.runs.simplify_record import SimplifyRecord, StepRecord
from lion_search.selection.comparison import Row
from lion_search.selection.run_comparison import RunComparison
from lion_search.simplify.proving.proofs import REWRITING
from lion_search.simplify.proving.redundancy import REDUNDANCY
from lion_search.simplify.simplifier import IDENTITIES, WRITING

TUNED_ADAMW = "tuned adamw"
_WHAT = {
    REDUNDANCY: "what no update depends on is dropped",
    IDENTITIES: "what is the same is computed once",
    REWRITING: "a simpler equal form",
    WRITING: "names, order and form for people",
}
"""What is done in stages whose steps say no more."""


def _say(console: Console, *text: object) -> None:
    console.print(*text, highlight=False, markup=False)


def print_result(console: Console, result: RunResult) -> None:
    """What a run found, and the commands to look at it."""
    progress, winner = result.progress, result.finalists[0]
    _say(
        console,
        f"\nSearched {progress.num_programs:,} programs in {format_seconds(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {progress.hit_rate:.1%}, "
        f"{progress.redundant_share:.1%} of the population's statements redundant.",
    )
    reference = f"{result.folder}:{winner.individual.id}"
    _say(
        console,
        f"Winner {reference}: fitness {winner.fitness:+.4f} on fresh seeds "
        f"({winner.search_fitness:+.4f} in the search; 0 is tuned AdamW, higher is better).\n",
    )
    if (judged_by := result.judged_by).has_prices:
        _say(
            console,
            f"It was chosen with prices: {judged_by.state_price:g} for a state array, "
            f"{judged_by.statement_price:g} for a statement; it pays {winner.price:.4f}, which is not taken "
            "off the fitness above.\n",
        )
    print_rows(console, result.test_rows, "test")
    _print_simplification(console, result.simplification)
    _say(console, "Exported:", *(str(path) for path in result.exports))
    _say(console, "\nNext:")
    for command in (
        f"top {result.folder}",
        f"show {reference} --simplified",
        f"check {reference}",
        f"export {reference} --to optax -o my_optimizer.py",
    ):
        _say(console, f"  lion-search {command}")


def print_rows(console: Console, rows: Sequence[Row], part: str) -> None:
    """For each task a table of optimizers, each beside tuned AdamW."""
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        adamw = next((row for row in own if row.name == TUNED_ADAMW), None)
        metric = str(find_task(task).metric).capitalize()
        _say(console, f"{metric} on {part}, {task}:")
        table = Table(Column("Optimizer", overflow="fold"), "Mean", "Standard error", "Against tuned AdamW")
        for row in own:
            failed = math.isnan(row.mean)
            cells = (str(row.status), "") if failed else (f"{row.mean:.4f}", f"{row.standard_error:.4f}")
            table.add_row(row.name, *cells, _against(row, adamw))
        console.print(table)
    _say(
        console,
        f"{rows[0].num_seeds} seeds, the same for all; "
        "the last column is the mean difference seed by seed.\n",
    )


def _against(row: Row, adamw: Row | None) -> str:
    if adamw is None or row is adamw:
        return ""
    difference, error = row.difference(adamw)
    return "" if math.isnan(difference) else f"{difference:+.4f} +- {error:.4f}"


def row_json(row: Row) -> dict[str, Any]:
    """A row as JSON values."""
    return {
        "optimizer": row.name,
        "task": row.task,
        "status": row.status,
        "mean": row.mean,
        "standard_error": row.standard_error,
        "losses": row.losses,
        "num_seeds": row.num_seeds,
    }


def print_record(console: Console, record: SimplifyRecord) -> None:
    """A simplification: its steps with their evidence, the result, what it was measured to be."""
    _print_simplification(console, record)
    for row in record.test:
        mean = row.status if row.mean is None else f"{row.mean:.4f} +- {row.standard_error:.4f}"
        against = (
            f", {row.difference:+.4f} +- {row.difference_error:.4f} seed by seed" if row.difference else ""
        )
        _say(console, f"Test, {row.task}, {row.num_seeds} seeds: {row.optimizer}: {mean}{against}")


def _print_simplification(console: Console, record: SimplifyRecord) -> None:
    table = Table("Step", "What", "Statements", "States", "Evidence")
    for step in record.steps:
        before, after = step.size_before, step.size_after
        table.add_row(
            step.stage,
            Text(step.what or _WHAT.get(step.stage, "")),
            _change(before.statements, after.statements),
            _change(before.states, after.states),
            _evidence(step),
        )
    console.print(table)
    is_changed = any(step.evidence is not None for step in record.steps)
    if not is_changed and record.sizes["experiments"] == record.sizes["genome"]:
        _say(console, "Nothing simpler was found.")
    shown = ", ".join(f"{size.statements} ({name})" for name, size in record.sizes.items())
    _say(
        console,
        f"Statements: {shown}. {record.seconds:.0f} seconds, {record.proof_seconds:.0f} of them proofs.",
    )
    for note in record.notes:
        _say(console, f"Note: {note}")
    if record.tried:
        made = sum(step.evidence is not None for step in record.steps)
        margin, sure = record.settings["margin"], 1 - record.settings["error"]
        _say(
            console,
            f"Tried {len(record.tried)} changes on {', '.join(record.tasks)} (validation data), made {made}; "
            f"with probability {sure:g} over seeds, all together lose at most {margin:g} of fitness there.",
        )
    _say(console, "")
    _print_program(console, record.simplified)
    if record.recognized:
        _say(console, f"Recognition: {record.recognized}")


def _change(before: int, after: int) -> str:
    return str(after) if before == after else f"{before} -> {after}"


def _evidence(step: StepRecord) -> str:
    found = step.evidence
    if found is not None:
        return f"fitness {found.gain:+.4f}, at least {found.bound:+.4f}, {found.num_seeds} seeds"
    if step.rules:
        return f"proof by rules ({', '.join(step.kinds)}); of {len(step.rules)} that matched: --json"
    return "proof"


def _print_program(console: Console, text: str) -> None:
    console.print(Syntax(text, "python", background_color="default"))


def print_comparison(console: Console, found: RunComparison) -> None:
    """A row for each checkpoint, a column for each label; then what failed."""
    headers = [Column(Text(_header(curve)), justify="right", overflow="fold") for curve in found.curves]
    table = Table(Column("Trainings", justify="right"), *headers)
    by_label = [{p.trainings: p for p in curve.points} for curve in found.curves]
    for trainings in found.checkpoints:
        table.add_row(f"{trainings:,}", *(_cell(points.get(trainings)) for points in by_label))
    console.print(table)
    _say(
        console,
        f"Fitness on the {found.part} part of {', '.join(found.tasks)}, {found.num_seeds} fresh seeds, the "
        "same for all; 0 is tuned AdamW, higher is better.\n"
        "+- is one standard error: over the runs of a label, or over seeds where it has one run.",
    )
    for line in _failures(found):
        _say(console, line)


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
        reason = f": {row.reason}" if row.reason else ""
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
