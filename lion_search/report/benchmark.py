"""A benchmark as files: JSON for programs, Markdown for notes, and one HTML page with figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from lion_search.analysis.benchmarking import Benchmark
from lion_search.dsl.shown import plural, significant, with_error
from lion_search.proxy_tasks.tasks import find_task
from lion_search.report.figures import line, log_or_linear, spec
from lion_search.report.markup import Html, code, element, figure, fold, joined, paragraph, table
from lion_search.report.page import page
from lion_search.report.sections import Section, written_of
from lion_search.results.strict_json import to_json
from lion_search.runs.folder import write_file
from lion_search.selection.benchmark import Row, SuiteScore

SCORE_TITLES = ("Optimizer", "Score", "95 %", "Ahead", "Behind")
TITLES = (
    *("Task", "Optimizer", "On test", "Lead on AdamW, 95 %"),
    *("Steps", "Speed-up", "Time", "Passes", "Bytes"),
)
ADAMW = "adamw"
Cells = tuple[str, ...]


def score_cells(score: SuiteScore) -> Cells:
    """The cells of ``SCORE_TITLES``."""
    is_adamw = score.optimizer == ADAMW
    counts = ("", "") if is_adamw else (f"{score.ahead} of {score.num_tasks}", str(score.behind))
    between = "" if is_adamw else f"{score.low:.2f} to {score.high:.2f}"
    return (score.optimizer, f"{score.score:.2f}", between, *counts)


def task_table(rows: Sequence[Row]) -> tuple[Cells, list[Cells]]:
    """Titles and cells, a row for each optimizer on each task, without columns that have no content."""
    adamw = {row.task: row for row in rows if row.optimizer == ADAMW}
    cells = [_cells(row, adamw[row.task]) for row in rows]
    places = [place for place in range(len(TITLES)) if any(row[place] for row in cells)]
    return tuple(TITLES[p] for p in places), [tuple(row[p] for p in places) for row in cells]


def _cells(row: Row, adamw: Row) -> Cells:
    first = (row.task, row.optimizer)
    cost = (f"{row.passes_per_step:.2g}" if row.passes_per_step else "", f"{row.bytes_per_weight:.3g}")
    if row.failure:
        return (*first, "fails", "", "", f"{row.speedup:.2f}", "", *cost)
    is_adamw = row is adamw
    steps = "not reached" if row.steps is None else f"{row.steps:,.0f}"
    time = row.seconds_per_step / adamw.seconds_per_step
    return (
        *first,
        with_error(row.mean, row.standard_error),
        "" if is_adamw else _with_interval(row.lead, row.lead_low, row.lead_high),
        steps,
        "" if is_adamw else f"{row.speedup:.2f}",
        f"{time:.2f}" if math.isfinite(time) else "",
        *cost,
    )


def _with_interval(value: float, low: float, high: float) -> str:
    """A difference and its interval, in as many places as the interval has two digits."""
    width = (high - low) / 2
    places = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 4
    return f"{value:+.{places}f} ({low:+.{places}f} to {high:+.{places}f})"


def metric_of(task: str) -> str:
    """What is measured on a task."""
    return str(find_task(task).metric)


def explanation(found: Benchmark) -> str:
    """What the numbers mean, in a paragraph."""
    return (
        f"Each optimizer was tuned on each task with {found.trainings:,} trainings on validation data, AdamW "
        "with as many in each of its two forms, of which the better goes on. Then all were trained on the "
        f"same {plural(found.seeds, 'fresh seed')}; what is shown is on test data. Lead: mean over seeds of "
        "the logarithm of AdamW's loss over its own, or of their difference in units; above 0 is better. "
        "Steps: to the loss that AdamW ends at. Speed-up: AdamW's steps over its own to there or, where it "
        "does not get there, to where it ends. Score: the geometric mean of the speed-ups. Time: of a step, "
        "AdamW's is 1. Passes: evaluations of the loss a step beside the gradient. Bytes: of state for each "
        "weight. Intervals, of 95 %, are over seeds; the luck of a tuning and the choice of tasks are not in "
        "them."
    )


def write_benchmark(folder: Path, found: Benchmark) -> list[Path]:
    """Writes JSON, Markdown and HTML into a folder, over those of an earlier time.

    Raises:
        RunFolderError: one cannot be written.
    """
    texts = {"json": to_json(found, indent=1) + "\n", "md": _markdown(found), "html": _page(found)}
    paths = {folder / f"benchmark.{ending}": text for ending, text in texts.items()}
    for path, text in paths.items():
        write_file(path, text)
    return list(paths)


def _markdown(found: Benchmark) -> str:
    parts = [
        f"# Benchmark: {found.suite}",
        explanation(found),
        _markdown_table(SCORE_TITLES, [score_cells(score) for score in found.scores]),
        _markdown_table(*task_table(found.rows)),
        *(f"- {row.task}, {row.optimizer}: {row.failure}" for row in found.rows if row.failure),
        "## Constants as tuned",
        *(f"{row.task}, {row.optimizer}:\n\n```\n{row.constants.rstrip()}\n```" for row in found.rows),
        f"Machine: {', '.join(found.hardware.values())}.",
    ]
    return "\n\n".join(parts) + "\n"


def _markdown_table(titles: Sequence[str], rows: Sequence[Cells]) -> str:
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _scores(found: Benchmark) -> Html:
    failures = (paragraph(f"{r.task}, {r.optimizer}: {r.failure}") for r in found.rows if r.failure)
    machine = paragraph(f"Machine: {', '.join(found.hardware.values())}.")
    shown = table(SCORE_TITLES, [score_cells(score) for score in found.scores])
    return joined((shown, paragraph(explanation(found)), *failures, machine))


def _tasks(found: Benchmark) -> Html:
    return table(*task_table(found.rows), left=2)


def _curves(found: Benchmark) -> Html:
    return joined(map(_figure, _by_task(found.rows)))


def _by_task(rows: Sequence[Row]) -> list[list[Row]]:
    return [[row for row in rows if row.task == task] for task in dict.fromkeys(row.task for row in rows)]


def _figure(rows: Sequence[Row]) -> Html:
    """The losses along the trainings on a task; a line ends where a training diverges."""
    task, metric = rows[0].task, metric_of(rows[0].task)
    traces, seen = [], []
    for place, row in enumerate(rows):
        losses = [loss if math.isfinite(loss) else None for loss in row.losses]
        seen += [loss for loss in losses if loss is not None]
        told = [
            f"{row.optimizer}, step {step:,}: {significant(loss)}"
            for step, loss in zip(row.looks, losses, strict=True)
        ]
        traces.append(line(row.optimizer, row.looks, losses, place, told=told))
    y = {"title": f"{metric.capitalize()} on test", "type": log_or_linear(seen)}
    about = f"{metric.capitalize()} along training of each optimizer on {task}"
    caption = f"{task}: mean over the seeds. A line ends where a training diverges."
    return figure(f"curve-{task}", about, spec(traces, {"title": "Step"}, y, height=440), caption)


def _constants(found: Benchmark) -> Html:
    return joined(fold(f"{row.task}, {row.optimizer}", code(row.constants)) for row in found.rows)


SECTIONS = (
    Section("score", "Score", _scores),
    Section("tasks", "Tasks", _tasks),
    Section("curves", "Along training", _curves),
    Section("constants", "Constants as tuned", _constants),
)


def _page(found: Benchmark) -> str:
    optimizers = element("p", ", ".join(score.optimizer for score in found.scores), id="standing")
    return page(f"Benchmark {found.suite}", optimizers, written_of(found, SECTIONS))
