"""What mode and settings make of a pool in this process."""

from __future__ import annotations

import jax
import pytest

from lion_search.proxy_tasks.workers.pool import InlinePool, PoolError
from lion_search.proxy_tasks.workers.resources import WorkerResources
from lion_search.runs.workers import cluster_address, make_pool


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


def test_a_process_that_leaves_devices_idle_says_what_uses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "local_device_count", lambda: 4)
    said: list[str] = []
    make_pool([], workers="inline", report=said.append)
    assert said == ["One of 4 devices is used; workers=4 and gpus_per_worker=1 use all"]


@pytest.mark.parametrize(
    ("variable", "given", "expected"),
    [("", None, None), ("auto", None, "auto"), ("127.0.0.1:1", "auto", "auto")],
)
def test_a_clusters_address_is_what_is_asked_for_or_the_environments(
    monkeypatch: pytest.MonkeyPatch, variable: str, given: str | None, expected: str | None
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert cluster_address(given) == expected


def test_a_wrong_address_in_the_environment_is_said_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(PoolError, match=r"RAY_ADDRESS is set: no Ray answers at 127.0.0.1:1"):
        cluster_address(None)
