"""Which tasks tell optimizers apart: tuned optimizers on proxy tasks, on fresh seeds and test data.

Baselines must exist for each task, shipped or made by `lion-search baseline TASK` (60 samples for each form
of each optimizer). Prints a Markdown table: mean over seeds, standard error, and the difference to AdamW in
standard errors of the difference seed by seed.

    python scripts/screen_tasks.py [TASK ...] [--seeds 32] [--part test]
"""

from __future__ import annotations

import argparse

from lion_search.analysis.measuring import evaluate
from lion_search.proxy_tasks.baseline import FAMILIES
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.tasks import TASKS
from lion_search.selection.comparison import Measurement


def line(task: str, rows: list[Measurement]) -> str:
    """The table's line of one task."""
    by_name = {row.name: row for row in rows}
    adamw = by_name["tuned adamw"]
    cells = [f"{adamw.mean:.4f} ± {adamw.standard_error:.4f}"]
    for name in list(FAMILIES)[1:]:
        row = by_name[f"tuned {name}"]
        difference, error = row.difference(adamw)
        cells.append(f"{row.mean:.4f} ± {row.standard_error:.4f} ({difference / error:+.1f})")
    return f"| `{task}` | {' | '.join(cells)} |"


def main() -> None:
    """Screens the tasks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--part", default="test", choices=list(Part))
    parser.add_argument("--workers", default="inline")
    options = parser.parse_args()
    print(f"| task | {' | '.join(FAMILIES)} |\n|{'---|' * (len(FAMILIES) + 1)}", flush=True)
    for task in options.tasks:
        rows = evaluate([], [task], num_seeds=options.seeds, part=Part(options.part), workers=options.workers)
        print(line(task, rows), flush=True)


if __name__ == "__main__":
    main()
