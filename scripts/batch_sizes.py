"""How much ahead of AdamW is Lion at each batch size? The paper's experiment, in small.

As there the number of examples seen is the same at every batch size, so that four times the batch is a
quarter of the steps. At each size both are tuned with the same number of trainings on validation data: first
the learning rate alone, by factors of 2 around that of the task's record, then all constants from the best
of these. Then both are trained on the same fresh seeds and measured on test. Trainings are kept in a
database: what was cut short goes on.

    python scripts/batch_sizes.py [--task fashion7_he] [--seeds 64] [--figure docs/batch_sizes.png]

The figure needs matplotlib, which nothing else here does: pip install matplotlib.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from lion_search.proxy_tasks.baseline import Baseline, load_baselines
from lion_search.proxy_tasks.reference_options import join_options
from lion_search.proxy_tasks.scores import Part, gains, mean_losses, standard_error
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.workers import make_pool
from lion_search.selection.constants import tune_constants
from lion_search.selection.logged import fitness_logged, log_name, train_logged

BATCH_SIZES = (16, 64, 256, 1024)
RATE_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RATE_SEEDS = 8
REFERENCE, OTHER = "adamw", "lion"
TITLE = "Lion and AdamW, each tuned at each batch size; equal number of examples"


def with_rate(baseline: Baseline, factor: float) -> Baseline:
    """A baseline with its learning rate multiplied."""
    own = dict(baseline.hyperparameters)
    own["learning_rate"] = float(f"{own['learning_rate'] * factor:.4g}")
    return replace(baseline, hyperparameters=tuple(own.items()))


def tuned(store: Store, pool: Pool, start: Baseline, task: str, trainings: int, adamw: Baseline) -> Baseline:
    """The best constants of an optimizer on a task."""
    points = {log_name(p): p for p in (with_rate(start, factor) for factor in RATE_FACTORS)}
    # Beyond those of tune_constants, so that it begins with a point that was not chosen by luck on them.
    seeds = Stage.TUNING.seeds(RATE_SEEDS, 9_000)
    found = fitness_logged(store, pool, Stage.TUNING, points, {task: adamw}, seeds, {})
    best = points[max(found, key=lambda name: found[name].fitness)]
    return tune_constants(store, pool, best, {task: adamw}, trainings) or best


def measure(store: Store, pool: Pool, task: str, both: dict[str, Baseline], num_seeds: int) -> dict[str, Any]:
    """Losses on test, and the gap: the mean over seeds of log(loss of AdamW / loss of Lion)."""
    seeds = Stage.TEST.seeds(num_seeds)
    scores = train_logged(store, pool, Stage.TEST, [*both.values()], [task], Part.TEST, seeds)
    own = dict(zip(both, scores, strict=True))
    row: dict[str, Any] = {"task": task, "seeds": num_seeds}
    for name, found in own.items():
        losses = [s.loss for s in found if s.loss is not None]
        row[name] = {
            "constants": dict(both[name].hyperparameters),
            "loss": (mean_losses(found) or {}).get(task),
            "standard_error": standard_error(losses),
            "statuses": sorted({str(s.status) for s in found}),
        }
    if all(mean_losses(found) for found in own.values()):
        lead = gains(own[OTHER], own[REFERENCE])
        row |= {"gap": fmean(lead), "gap_standard_error": standard_error(lead)}
    return row


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Losses and gap against the batch size."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    sizes = [row["batch_size"] for row in rows]
    for name, label, marker in ((REFERENCE, "tuned AdamW", "o"), (OTHER, "tuned Lion", "s")):
        losses = [row[name]["loss"] for row in rows]
        errors = [2 * row[name]["standard_error"] for row in rows]
        left.errorbar(sizes, losses, errors, label=label, marker=marker, capsize=3)
    left.set(ylabel="loss on test")
    left.legend()
    gaps = [row for row in rows if "gap" in row]
    right.errorbar(
        [row["batch_size"] for row in gaps],
        [100 * row["gap"] for row in gaps],
        [200 * row["gap_standard_error"] for row in gaps],
        marker="s", color="C1", capsize=3,
    )  # fmt: skip
    right.axhline(0, color="0.4", linewidth=1)
    right.set(ylabel="Lion ahead of AdamW, % of the loss")
    for axes in (left, right):
        axes.set(xlabel="batch size", xscale="log")
        axes.set_xticks(sizes, map(str, sizes))
        axes.minorticks_off()
    figure.suptitle(f"{TITLE} (bars: 2 standard errors)", fontsize=10)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Prints a line for each batch size, writes the numbers and, if asked, the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="fashion7_he")
    parser.add_argument("--examples", type=int, default=61_440)
    parser.add_argument("--trainings", type=int, default=416, help="of the last part of a tuning")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--workers", default="inline")
    parser.add_argument("--database", type=Path, default=Path("batch_sizes.db"))
    parser.add_argument("--output", type=Path, default=Path("batch_sizes.json"))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    set_environment(options.workers)
    record = load_baselines(options.task)
    references = {
        size: join_options(options.task, {"steps": options.examples // size, "batch_size": size})
        for size in BATCH_SIZES
    }
    tasks = {size: next(iter(check_tasks([reference], None))) for size, reference in references.items()}
    database: Path = options.database
    store = Store.reopen_or_create(database)
    rows = []
    with closing(store), closing(make_pool([*tasks.values()], workers=options.workers)) as pool:
        for size, task in tasks.items():
            own = (options.trainings, record.adamw)
            both = {
                name: tuned(store, pool, record.baselines[name], task, *own) for name in (REFERENCE, OTHER)
            }
            rows.append({"batch_size": size, **measure(store, pool, task, both, options.seeds)})
            print(json.dumps(rows[-1]), flush=True)
    effort = {"rate_factors": RATE_FACTORS, "rate_seeds": RATE_SEEDS, "trainings": options.trainings}
    options.output.write_text(json.dumps({"effort": effort, "rows": rows}, indent=1) + "\n")
    if options.figure is not None:
        draw(rows, options.figure)


if __name__ == "__main__":
    main()
