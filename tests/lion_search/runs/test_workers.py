"""What mode and settings make of a pool in this process."""

from __future__ import annotations

import pytest

from lion_search.proxy_tasks.workers.pool import InlinePool
from lion_search.proxy_tasks.workers.resources import WorkerResources
from lion_search.runs.workers import make_pool


@pytest.mark.parametrize(
    ("mode", "gpus_per_worker", "batched"),
    [(None, 0.0, False), ("interpreted", 0.0, False), ("batched", 0.0, True), (None, 0.5, True)],
)
def test_jobs_go_in_large_batches_to_batched_training_only(
    mode: str | None, gpus_per_worker: float, batched: bool
) -> None:
    pool = make_pool([], workers="inline", mode=mode, resources=WorkerResources(gpus=gpus_per_worker))
    assert isinstance(pool, InlinePool)
    assert (pool._batched, pool.room) == (batched, 256 if batched else 8)
