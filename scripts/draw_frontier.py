"""Draws what a finished run hands over, loss against memory, beside tuned optimizers: README's picture.

`python scripts/draw_frontier.py runs/seed-0 -o docs/frontier.png`; the run is one of the quickstart's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd

import lion_search
from lion_search.proxy_tasks.baseline import FAMILIES

FOUND, KNOWN = "#c1440e", "#44546a"
NAMES = {
    "adamw": "AdamW", "nadamw": "NAdamW", "lion": "Lion", "signum": "Signum", "sgd": "SGD", "adams": "AdamS",
    "nadams": "NAdamS",
}  # fmt: skip


def main() -> None:
    """Draws one panel for each task of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="the folder of a finished run with niches by states")
    parser.add_argument("-o", "--output", type=Path, default=Path("frontier.png"))
    arguments = parser.parse_args()
    rows = lion_search.load(arguments.run).test()
    tasks = list(dict.fromkeys(rows["task"]))
    figure, panels = plt.subplots(1, len(tasks), figsize=(7.2 * len(tasks), 4.2), squeeze=False)
    for task, axes in zip(tasks, panels[0], strict=True):
        draw(rows[(rows["task"] == task) & (rows["status"] == "ok")], task, axes)
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=150)
    print(f"Wrote {arguments.output}")


def draw(rows: pd.DataFrame, task: str, axes: plt.Axes) -> None:
    """What was found, as simplified, joined by a line, and the tuned optimizers."""
    by_name = rows.set_index("optimizer")
    places = {
        name: FAMILIES[name.removeprefix("tuned ")] for name in by_name.index if name.startswith("tuned ")
    }
    known = {name: len(own.program(**dict.fromkeys(own.ranges, 0.5)).states) for name, own in places.items()}
    found = {name: int(name.split()[0]) for name in by_name.index if name.endswith(", simplified")}
    for places, colour, mark, line, label in (
        (known, KNOWN, "s", "none", "known optimizers, tuned"),
        (found, FOUND, "o", "-", "found from AdamW, simplified"),
    ):
        own = by_name.loc[list(places)]
        shift = 0.06 if places is known else -0.06
        xs = [states + shift for states in places.values()]
        axes.errorbar(
            xs, own["mean_loss"], yerr=own["standard_error"], fmt=mark, color=colour, linestyle=line,
            linewidth=1.2, markersize=6, capsize=3, label=label,
        )  # fmt: skip
    labels: dict[tuple[int, float], list[str]] = {}  # Those at nearly the same place share one.
    for name, states in known.items():
        text = name.removeprefix("tuned ")
        place = (states, round(by_name.loc[name, "mean_loss"], 3))
        labels.setdefault(place, []).append(NAMES.get(text, text))
    for (states, loss), names in labels.items():
        text, at = ", ".join(names), (states + 0.06, loss)
        axes.annotate(text, at, xytext=(9, 0), textcoords="offset points", va="center", color=KNOWN)
    axes.set_xticks([0, 1, 2], ["0", "1\n(Lion)", "2\n(AdamW)"])
    axes.set_xlim(-0.35, 2.6)
    seeds = int(rows["num_seeds"].iloc[0])
    axes.set(
        xlabel="state arrays, each as large as the weights", ylabel=f"test loss on {task}, {seeds} seeds"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)


if __name__ == "__main__":
    main()
