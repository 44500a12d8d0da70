"""Draws fitness in the search beside that on larger tasks, of the best of each slice: see docs/funnel.md.

`python scripts/draw_meta_validation.py RUN... -o docs/meta_validation.png`; the runs are finished, and have
`meta_validation` in their configs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

LEAST = -0.2
"""Fitness on larger tasks is not drawn below; what fails there counts -1."""


def main() -> None:
    """Draws a panel for the search and one for the larger tasks, a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument("-o", "--output", type=Path, default=Path("meta_validation.png"))
    arguments = parser.parse_args()
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2))
    for run in arguments.runs:
        found = json.loads((run / "result.json").read_text(encoding="utf-8"))["meta_validation"]
        if found is None:
            parser.error(f"{run} has no meta-validation")
        slices = found["slices"]
        for axes, key in zip(panels, ("judged", "fitness"), strict=True):
            values = [own[key] for own in slices]
            axes.step([own["num_programs"] for own in slices], values, where="post", label=run.name)
    titles = ("in the search, less caution and prices", f"on {', '.join(found['tasks'])}")
    for axes, title in zip(panels, titles, strict=True):
        axes.axhline(0, color="#44546a", linewidth=0.8)
        axes.set(title=title, xlabel="programs", ylabel="fitness of the best so far (0 is AdamW)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    panels[1].set_ylim(bottom=max(LEAST, panels[1].get_ylim()[0]))
    panels[1].legend(frameon=False, ncols=2)
    figure.tight_layout()
    figure.savefig(arguments.output, dpi=110)
    print(f"Wrote {arguments.output}")


if __name__ == "__main__":
    main()
