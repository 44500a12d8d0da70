"""What a cluster cannot give; `test_ray_driver.py` has a real Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_cluster import check_resources, temporary_folder


@pytest.mark.parametrize(
    ("cpus", "gpus", "num_workers", "part"),
    [(4, 0, 4, 0.0), (4, 1, 4, 0.25), (4, 1, 3, 1 / 3), (4, 2, 2, 0.75), (4, 2, 2, 1.0), (4, 4, 2, 2.0)],
)
def test_what_a_cluster_has_is_granted(cpus: int, gpus: int, num_workers: int, part: float) -> None:
    check_resources({"CPU": cpus, "GPU": gpus}, num_workers, part)


@pytest.mark.parametrize(
    ("resources", "num_workers", "part", "message"),
    [
        ({"CPU": 2.0}, 3, 0.0, "3 workers need 3 cores; Ray has 2"),
        ({"CPU": 2.0}, 1, 1.0, "Ray has 0 GPUs, enough for 0 such workers"),
        ({"CPU": 8.0, "GPU": 1.0}, 5, 0.25, "Ray has 1 GPUs, enough for 4 such workers"),
        ({"CPU": 8.0, "GPU": 2.0}, 3, 0.6, "Ray has 2 GPUs, enough for 2 such workers"),
        ({"CPU": 8.0, "GPU": 3.0}, 2, 2.0, "Ray has 3 GPUs, enough for 1 such workers"),
        ({"CPU": 8.0, "GPU": 3.0}, 1, 1.5, "expected 0 to 1, or a whole number"),
        ({"CPU": 8.0, "GPU": 3.0}, 1, -1.0, "expected 0 to 1, or a whole number"),
    ],
)
def test_what_a_cluster_has_not_is_an_error(
    resources: dict[str, float], num_workers: int, part: float, message: str
) -> None:
    with pytest.raises(PoolError, match=message):
        check_resources(resources, num_workers, part)


@pytest.mark.parametrize("place", ["", "/no/such/place", "/dev/null", "/proc", "long"])
def test_sockets_lie_where_they_can_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    """And not below the user's TMPDIR, if that cannot be written or its path is too long for a socket."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long) if place == "long" else place)
    assert temporary_folder() == "/tmp/ray"
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    assert temporary_folder() == "/dev/shm/ray"
