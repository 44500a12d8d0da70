"""What a cluster cannot give; `test_ray_driver.py` has a real Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from lion_search.proxy_tasks.workers import ray_cluster
from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_cluster import check_resources, start_ray, temporary_folder


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


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Ray, which starts only when this list is empty: how long the machine sleeps in each start before."""
    left: list[float] = []
    lost = [0.0]

    def start(ray: object, options: object) -> None:
        if left:
            lost[0] += left.pop(0)
            raise TimeoutError("The current node timed out during startup.")

    monkeypatch.setattr(ray_cluster, "_init", start)
    monkeypatch.setattr(ray_cluster, "_seconds_lost", lambda: lost[0])
    return left


def test_a_start_in_which_the_machine_slept_is_made_again(starts: list[float]) -> None:
    starts += [100.0, 30.0]
    start_ray(1, None, None)
    assert starts == []


def test_a_start_that_fails_is_an_error_in_one_line(starts: list[float]) -> None:
    starts += [0.0, 30.0]
    with pytest.raises(PoolError, match=r"^Ray does not start: TimeoutError: The current node timed out"):
        start_ray(1, None, None)
    assert starts == [30.0]


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
