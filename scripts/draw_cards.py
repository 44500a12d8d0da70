"""Draws the grids of learning rates and decays of transfer cards side by side: see docs/findings.md.

lion-search card adamw --task fashion7_few --task fashion7_mlp --json > adamw.json
lion-search card lion --task fashion7_few --task fashion7_mlp --json > lion.json
python scripts/draw_cards.py adamw.json lion.json -o docs/rates_and_decays.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

LEAST = -0.5
"""The darkest colour is for this fitness and below, and for what fails."""


def main() -> None:
    """Draws a panel for each card and task, with the fitness of each point written in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "cards", nargs="+", type=Path, help="files of lion-search card --json, of equal tasks"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("rates_and_decays.png"))
    arguments = parser.parse_args()
    cards = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in arguments.cards}
    tasks = [card["task"] for card in next(iter(cards.values()))]
    size = (5.2 * len(tasks), 3.4 * len(cards))
    figure, panels = plt.subplots(len(cards), len(tasks), figsize=size, layout="constrained", squeeze=False)
    for (name, own), row in zip(cards.items(), panels, strict=True):
        for card, axes in zip(own, row, strict=True):
            draw(card["rows"]["constants"]["data"]["cells"], axes)
            axes.set_title(f"{name} on {card['task']}", fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel("weight decay, in tuned AdamW's")
    for axes in panels[:, 0]:
        axes.set_ylabel("learning rate, in tuned AdamW's")
    figure.savefig(arguments.output, dpi=100)
    print(f"Wrote {arguments.output}")


def draw(cells: Sequence[Mapping[str, Any]], axes: plt.Axes) -> None:
    """A heat map; a frame is around what is as good as the best."""
    rates, decays = (sorted({cell[name] for cell in cells}) for name in ("rate", "decay"))
    of = {(cell["rate"], cell["decay"]): cell for cell in cells}
    values = [[of[rate, decay]["fitness"] for decay in decays] for rate in rates]
    shown = [[LEAST if value is None else value for value in row] for row in values]
    axes.imshow(shown, vmin=LEAST, vmax=0, cmap="viridis", origin="lower", aspect="auto")
    axes.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])
    axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    for y, rate in enumerate(rates):
        for x, decay in enumerate(decays):
            value, is_good = values[y][x], of[rate, decay]["is_as_good"]
            text = "fails" if value is None else f"{value:.3f}" if value > -1 else f"{value:.1f}"
            colour = "black" if value is not None and value > LEAST / 2 else "white"
            weight = "bold" if is_good else "normal"
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=8, fontweight=weight)
            if is_good:
                axes.add_patch(plt.Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, fill=False, color="#c1440e"))


if __name__ == "__main__":
    main()
