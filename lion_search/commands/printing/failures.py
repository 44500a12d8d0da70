"""How a training failed, for tools that read JSON."""

from __future__ import annotations

from typing import Any

from lion_search.proxy_tasks.scores import Score


def failure_json(failed: Score | None) -> dict[str, Any] | None:
    """How a training failed, as JSON values."""
    if failed is None:
        return None
    return {
        "status": failed.status,
        "task": failed.task,
        "seed": failed.seed,
        "num_steps": failed.num_steps,
        "reason": failed.reason,
    }
