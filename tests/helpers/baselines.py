"""Baselines of a task of a user's own, where a run looks for them."""

from __future__ import annotations

import json
from pathlib import Path

_ADAMW = {
    "form": "program",
    "hyperparameters": {"learning_rate": 0.1, "weight_decay": 0.001, "b1": 0.9, "b2": 0.99},
    "validation_loss": 0.3,
    "standard_error": 0.01,
}


_WEAK_LION = {**_ADAMW, "validation_loss": 1.0}


def write_baselines(folder: Path, task: str, steps: int, *, lion: bool = False) -> None:
    """Writes a tuned AdamW for a task of so many steps into a user's folder, and a Lion that is behind it."""
    (folder / "baselines").mkdir(exist_ok=True)
    content = {"facts": {"task": task, "steps": steps}, "baselines": {"adamw": _ADAMW}}
    if lion:
        content["baselines"]["lion"] = _WEAK_LION
    (folder / "baselines" / f"{task.replace(':', '_')}.json").write_text(json.dumps(content))
