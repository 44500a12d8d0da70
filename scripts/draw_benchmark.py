"""Draws how far optimizers are ahead of AdamW on each task of a finished benchmark: see docs/findings.md.

`python scripts/draw_benchmark.py benchmarks/heavy_tail/benchmark.json -o docs/heavy_tail.png`
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Draws a row for each task, a mark with its interval for each optimizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", type=Path, help="its benchmark.json")
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmark.png"))
    told = "a lead beyond it is drawn there, as an arrow"
    parser.add_argument("--furthest", type=float, default=0.5, help=told)
    arguments = parser.parse_args()
    found = json.loads(arguments.benchmark.read_text(encoding="utf-8"))
    rows = [row for row in found["rows"] if row["optimizer"] != "adamw"]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    names = list(dict.fromkeys(row["optimizer"] for row in rows))
    height = 1.2 + 0.13 * len(tasks) * (len(names) + 1)
    figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
    for place, name in enumerate(names):
        own = {row["task"]: row for row in rows if row["optimizer"] == name}
        shift = 0.8 * (place + 0.5) / len(names) - 0.4
        draw(name, [(k + shift, own[task]) for k, task in enumerate(tasks)], arguments.furthest, axes)
    axes.axvline(0, color="#44546a", linewidth=0.8)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    seeds = f"{found['seeds']} seeds, intervals of 95 %"
    axes.set(xlabel=f"lead on tuned AdamW, logarithm of the loss on test; right is better ({seeds})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(arguments.output, dpi=110)
    print(f"Wrote {arguments.output}")


def draw(name: str, rows: list[tuple[float, dict[str, Any]]], furthest: float, axes: plt.Axes) -> None:
    """One optimizer, each row at its height; one that fails has a cross at the left end."""
    colour: str | None = None
    for height, row in rows:
        lead = row["lead"]
        end = -furthest if lead is None else min(furthest, max(-furthest, lead))
        errors = None if end != lead else [[lead - row["lead_low"]], [row["lead_high"] - lead]]
        mark = "x" if lead is None else "o" if end == lead else "<" if end < 0 else ">"
        bar = axes.errorbar(end, height, xerr=errors, fmt=mark, markersize=4, capsize=2, color=colour)
        colour = bar[0].get_color()
    axes.plot([], [], "o", markersize=4, color=colour, label=name)


if __name__ == "__main__":
    main()
