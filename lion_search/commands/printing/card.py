"""A transfer card as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from lion_search.commands.printing.tables import Column, print_table
from lion_search.commands.printing.terminal import say
from lion_search.dsl.shown import signed
from lion_search.selection.card.card import Card


def print_card(console: Console, card: Card) -> None:
    """The heat map, then a row for each check."""
    rows = card.to_json()["rows"]
    if not rows:
        say(console, f"{card.task}: it does not train there, whatever the learning rate.\n")
        return
    say(console, f"Transfer card, measured on {card.task}:")
    columns = (Column(""), Column("", prose=True))
    print_table(console, columns, [(row["title"], row["text"]) for row in rows.values()])
    say(console, "")
    _print_map(console, rows["constants"]["data"]["cells"])


def _print_map(console: Console, cells: Sequence[Mapping[str, Any]]) -> None:
    """Fitness by learning rate and weight decay, as multiples of AdamW's."""
    rates, decays = (sorted({cell[name] for cell in cells}) for name in ("rate", "decay"))
    found = {(cell["rate"], cell["decay"]): cell for cell in cells}
    what = "learning rate (rows) and weight decay" if len(decays) > 1 else "learning rate"
    say(console, f"Fitness by {what}, as multiples of tuned AdamW's; * is as good as the best:")
    titles = [f"{decay:g}" for decay in decays] if len(decays) > 1 else ["fitness"]
    columns = (Column("", right=True), *(Column(title, right=True) for title in titles))
    print_table(console, columns, [(f"{r:g}", *(_shown(found[r, d]) for d in decays)) for r in rates])
    say(console, "0 is tuned AdamW, higher is better.\n")


def _shown(cell: Mapping[str, Any]) -> str:
    fitness = cell["fitness"]
    return "fails " if fitness is None or math.isinf(fitness) else signed(fitness) + " *"[cell["is_as_good"]]
