"""Which tasks tell optimizers apart: tuned optimizers on proxy tasks, on fresh seeds and test data.

Baselines must exist for each task, shipped or made by `lion-search baseline TASK`. Prints a Markdown table:
the mean loss over seeds and, in brackets, the mean over seeds of the logarithm of the loss over Lion's with
the same seed, and its standard error; positive is worse than Lion. Then what is best, of all and of those
with one state array at most, or that the ranking is noise: that no two of them differ by NOISE standard
errors. A family that a file of baselines lacks is a dash.

    python scripts/screen_tasks.py [TASK ...] [--seeds 64] [--part test]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from itertools import combinations
from statistics import fmean

from lion_search.analysis.measuring import evaluate
from lion_search.proxy_tasks.baseline import FAMILIES
from lion_search.proxy_tasks.scores import Part, standard_error
from lion_search.proxy_tasks.tasks import TASKS
from lion_search.selection.comparison import Measurement

REFERENCE = "lion"
NOISE = 3.0
"""Standard errors: with the 10 pairs of 5 families one lies beyond by chance in 1 of 37 tasks at most."""

Rows = Mapping[str, Measurement]


def log_ratio(row: Measurement, other: Measurement) -> tuple[float, float]:
    """The mean over seeds of log(loss / the other's), and its standard error; NaN if a training failed."""
    if min(len(row.losses), len(other.losses)) < row.num_seeds:
        return math.nan, math.nan
    logs = [math.log(a / b) for a, b in zip(row.losses, other.losses, strict=True)]
    return fmean(logs), standard_error(logs)


def is_noise(rows: Rows) -> bool:
    """Whether no two differ by more than chance."""
    found = [log_ratio(rows[a], rows[b]) for a, b in combinations(rows, 2)]
    return not any(abs(mean) > NOISE * error for mean, error in found)


def best(rows: Rows) -> str:
    """The best, and what is within two standard errors of it."""
    trained = {name: row for name, row in rows.items() if not math.isnan(row.mean)}
    if not trained:
        return "none trains"
    if is_noise(trained):
        return "noise"
    logs = {name: fmean(map(math.log, row.losses)) for name, row in trained.items()}
    first, *others = sorted(trained, key=lambda name: logs[name])
    ratios = {name: log_ratio(trained[name], trained[first]) for name in others}
    return ", ".join([first, *(name for name, (mean, error) in ratios.items() if mean < 2 * error)])


def num_states(family: str) -> int:
    """State arrays of a family's program."""
    middle = {key: allowed.value(0.5) for key, allowed in FAMILIES[family].ranges.items()}
    return len(FAMILIES[family].program(**middle).states)


def line(task: str, rows: Rows) -> str:
    """The table's line of one task."""
    cells = [_cell(name, rows) for name in FAMILIES]
    small = {name: row for name, row in rows.items() if num_states(name) <= 1}
    return f"| `{task}` | {' | '.join(cells)} | {best(rows)} | {best(small)} |"


def _cell(name: str, rows: Rows) -> str:
    if name not in rows:
        return "-"
    if name == REFERENCE or REFERENCE not in rows:
        return f"{rows[name].mean:.4f}"
    mean, error = log_ratio(rows[name], rows[REFERENCE])
    return f"{rows[name].mean:.4f} ({mean:+.3f} ± {error:.3f})"


def main() -> None:
    """Screens the tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--part", default="test", choices=list(Part))
    parser.add_argument("--workers", default="inline")
    options = parser.parse_args()
    header = ("task", *FAMILIES, "best", "best with one state")
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}", flush=True)
    for task in options.tasks:
        rows = evaluate([], [task], num_seeds=options.seeds, part=Part(options.part), workers=options.workers)
        print(line(task, {row.name.removeprefix("tuned "): row for row in rows}), flush=True)


if __name__ == "__main__":
    main()
