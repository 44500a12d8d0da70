"""Starting Ray and joining one; `test_ray_driver.py` has a real Ray."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lion_search.proxy_tasks.workers import ray_cluster
from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_cluster import check_address, start_ray, temporary_folder


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
    start_ray(1, None)
    assert starts == []


def test_a_start_that_fails_is_an_error_in_one_line(starts: list[float]) -> None:
    starts += [0.0, 30.0]
    with pytest.raises(PoolError, match=r"^Ray does not start: TimeoutError: The current node timed out"):
        start_ray(1, None)
    assert starts == [30.0]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray answers at 127.0.0.1:1 (ConnectionRefusedError"),
        ("no.such.host.invalid:6379", "no Ray answers at no.such.host.invalid:6379 (gaierror"),
        ("head", "expected auto or HOST:PORT"),
        ("head:port", "expected auto or HOST:PORT"),
        (":6379", "expected auto or HOST:PORT"),
        ("ray://head:10001", "expected auto or HOST:PORT"),
        ("127.0.0.1:99999999", "no Ray answers at"),
    ],
)
def test_an_address_nobody_answers_at_is_an_error_at_once(address: str, message: str) -> None:
    with pytest.raises(PoolError, match=re.escape(message)):
        check_address(address)


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
