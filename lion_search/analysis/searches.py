"""Searches looked at afterwards: ``lion-search compare-runs`` and ``lion-search stats``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lion_search.analysis.assess import check_choice
from lion_search.config import load_config
from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.results.curves import FitnessCurve, FitnessPoint
from lion_search.results.figures import curves_figure, write_html
from lion_search.results.stats import RECENT, Statistics
from lion_search.runs.display import format_seconds
from lion_search.runs.folder import CONFIG_NAME
from lion_search.runs.preflight import check_tasks, find_baselines, set_environment
from lion_search.runs.references import find_run, open_run
from lion_search.runs.workers import make_pool
from lion_search.selection import run_comparison as comparison
from lion_search.selection.run_comparison import LabelledRun, RunComparison, RunComparisonError


def compare_runs(
    specs: Sequence[str],
    *,
    points: int,
    seeds: int,
    part: str = "test",
    workers: int | str = "auto",
    output: Path,
    report: Callable[[str], None] = lambda line: None,
) -> RunComparison:
    """Compares searches at equal compute and writes a figure, and its numbers beside it.

    Args:
        specs: ``RUN``, or ``LABEL=RUN,RUN,...`` for runs of one setting.
        points: checkpoints.
        seeds: fresh seeds for each program.
        part: of the tasks' data.
        workers: a number of Ray workers, ``auto`` or ``inline``.
        output: of the figure, a file that ends in .html; the numbers are in a .json beside it.
        report: is told, in a line, what happens.

    Raises:
        LionSearchError: a run or option cannot be used, or the runs' tasks differ.
    """
    check_choice("part", part, [str(p) for p in Part])
    named = read_specs(specs)
    numbers = _free_outputs(output)
    set_environment(workers)
    with ExitStack() as stack:
        runs = []
        for label, name in named:
            runs.append(LabelledRun(label, name, open_run(name)))
            stack.callback(runs[-1].store.close)
        problems = check_tasks(comparison.common_tasks(runs), None)
        records = find_baselines(problems, report)
        own_functions = dict.fromkeys(f for _, name in named for f in _own_functions(name))
        pool = make_pool(list(problems), workers=workers, own_functions=list(own_functions), report=report)
        stack.callback(pool.close)
        found = comparison.compare_runs(
            runs,
            pool,
            baselines={task: record.baselines["adamw"] for task, record in records.items()},
            points=points,
            num_seeds=seeds,
            part=Part(part),
        )
    _write(found, output, numbers)
    report(f"Wrote {output} and {numbers}")
    return found


def read_specs(specs: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and runs, in their order; a run without a label is labelled with its name.

    Raises:
        LionSearchError: a specification is not ``RUN`` or ``LABEL=RUN,RUN,...``, or a label has a run twice.
    """
    found: dict[tuple[str, Path], tuple[str, str]] = {}
    for spec in specs:
        label, separator, listed = spec.partition("=")
        names = listed.split(",") if separator else [spec]
        if not label or not all(names):
            raise RunComparisonError(f"cannot read '{spec}'; expected RUN or LABEL=RUN,RUN,...")
        for name in names:
            key = (label, find_run(name).resolve())
            if key in found:
                raise RunComparisonError(f"run '{name}' is listed twice as '{label}'")
            found[key] = (label, name)
    if not found:
        raise RunComparisonError("no run to compare; expected RUN or LABEL=RUN,RUN,...")
    return list(found.values())


def comparison_json(found: RunComparison) -> dict[str, Any]:
    """A comparison as JSON values; what is not known is null."""
    values: dict[str, Any] = _without_nan(asdict(found))
    return values


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


def _free_outputs(output: Path) -> Path:
    """The path of the numbers; neither file exists, and their folder does."""
    if output.suffix != ".html":
        raise LionSearchError(f"cannot write the figure to '{output}'; expected a name that ends in .html")
    numbers = output.with_suffix(".json")
    for path in (output, numbers):
        if path.exists():
            raise LionSearchError(f"'{path}' exists; nothing was overwritten")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LionSearchError(f"cannot write '{output}': {error.strerror}") from error
    return numbers


def _own_functions(run: str) -> tuple[str, ...]:
    return load_config(str(find_run(run) / CONFIG_NAME)).own_functions()


def _write(found: RunComparison, output: Path, numbers: Path) -> None:
    title = f"{', '.join(found.tasks)}: {found.part}, {found.num_seeds} fresh seeds"
    try:
        numbers.write_text(json.dumps(comparison_json(found), indent=1, allow_nan=False) + "\n")
        write_html(curves_figure(found.curves, title=title), output)
    except OSError as error:
        raise LionSearchError(f"cannot write '{error.filename}': {error.strerror}") from error


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value


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
        ("Hits", f"{stats.hits:,} ({_share(stats.hit_rate)}): {hits}"),
        ("Evaluated", f"{stats.evaluated:,}"),
        ("Resampled", f"{stats.resampled:,}"),
        ("Reused", f"{stats.reused:,}"),
        ("Novel", f"{stats.novel:,}{each_hour}"),
        ("Search took", searched),
        ("Trainings", f"{stats.trainings:,}, {format_seconds(stats.training_seconds)} in all workers"),
        ("Trained programs", _listed(stats.statuses)),
        ("Redundant statements", f"{_share(stats.redundant_share)} in the last {RECENT:,} programs"),
        ("Update scales kept", _listed(stats.update_scales)),
        ("Stopped by a hurdle", f"{stats.stopped:,}, {_share(stats.saved_share)} of training time saved"),
        ("Populations", f"{stats.repeats:,}, {stats.restarts:,} restarts"),
        ("Repeatable from its seed", "yes" if stats.is_repeatable else "no"),
    ]


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items()) or "none"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)
