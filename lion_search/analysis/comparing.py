"""Searches compared at equal compute, as a figure and its numbers: ``lion-search compare-runs``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.scores import Part
from lion_search.results.figures import curves_figure, to_html
from lion_search.results.strict_json import to_json
from lion_search.runs.audience import Report
from lion_search.runs.folder import check_new, write_new
from lion_search.runs.preflight import baselines_or, check_tasks, find_baselines, set_environment
from lion_search.runs.references import find_run, is_url, open_run, told
from lion_search.runs.workers import make_pool
from lion_search.selection import run_comparison as comparison
from lion_search.selection.run_comparison import LabelledRun, RunComparison, RunComparisonError


def compare_runs(
    specs: Sequence[str],
    *,
    tasks: Sequence[str] = (),
    points: int,
    seeds: int,
    part: Part = Part.TEST,
    workers: int | str = "auto",
    output: Path,
    report: Report = lambda line: None,
) -> RunComparison:
    """Compares searches at equal compute and writes a figure, and its numbers beside it.

    Args:
        specs: ``RUN``, or ``LABEL=RUN,RUN,...`` for runs of one setting.
        tasks: other ones than the runs', such as their larger sisters; AdamW has the constants there that it
            has on the first task of the runs, unless it was tuned there.
        points: checkpoints.
        seeds: fresh seeds for each program.
        part: of the tasks' data.
        workers: a number of Ray workers, ``auto`` or ``inline``.
        output: of the figure, a file that ends in .html; the numbers are in a .json beside it.
        report: is told, in a line, what happens.

    Raises:
        LionSearchError: a run cannot be used, or the runs' tasks differ.
    """
    named = read_specs(specs)
    numbers = _free_outputs(output)
    set_environment(workers)
    with ExitStack() as stack:
        runs = []
        for label, name in named:
            runs.append(LabelledRun(label, name, open_run(name)))
            stack.callback(runs[-1].store.close)
        own = check_tasks(comparison.common_tasks(runs), None)
        records = find_baselines(own, report)
        if tasks:
            own = check_tasks(tasks, None)
            records = baselines_or(own, next(iter(records.values())))
        pool = make_pool(list(own), workers=workers, report=report)
        stack.callback(pool.close)
        found = comparison.compare_runs(
            runs,
            pool,
            baselines={task: record.adamw for task, record in records.items()},
            points=points,
            num_seeds=seeds,
            part=part,
        )
    _write(found, output, numbers)
    report(f"Wrote {output} and {numbers}")
    return found


def read_specs(specs: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and runs, in their order; a run without a label is labelled with its name.

    Raises:
        LionSearchError: a specification is not ``RUN`` or ``LABEL=RUN,RUN,...``, or a label has a run twice.
    """
    found: dict[tuple[str, str | Path], tuple[str, str]] = {}
    for spec in specs:
        label, separator, listed = (told(spec), "", "") if is_url(spec) else spec.partition("=")
        names = listed.split(",") if separator else [spec]
        if not label or not all(names):
            raise RunComparisonError(f"cannot read '{spec}'; expected RUN or LABEL=RUN,RUN,...")
        for name in names:
            key = (label, name if is_url(name) else find_run(name).resolve())
            if key in found:
                raise RunComparisonError(f"run '{name}' is listed twice as '{label}'")
            found[key] = (label, name)
    if not found:
        raise RunComparisonError("no run to compare; expected RUN or LABEL=RUN,RUN,...")
    return list(found.values())


def _free_outputs(output: Path) -> Path:
    """The path of the numbers; neither file exists, and their folder does."""
    if output.suffix != ".html":
        raise LionSearchError(f"cannot write the figure to '{output}'; expected a name that ends in .html")
    numbers = output.with_suffix(".json")
    for path in (output, numbers):
        check_new(path)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LionSearchError(f"cannot write '{output}': {error.strerror}") from error
    return numbers


def _write(found: RunComparison, output: Path, numbers: Path) -> None:
    title = f"{', '.join(found.tasks)}: {found.part}, {found.num_seeds} fresh seeds"
    write_new(numbers, to_json(found, indent=1) + "\n")
    write_new(output, to_html(curves_figure(found.curves, title=title)))
