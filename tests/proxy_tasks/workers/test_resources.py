"""How many workers a cluster has room for."""

from __future__ import annotations

import pytest

from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.resources import (
    WorkerResources,
    check_room,
    check_room_for_one,
    usual,
)


@pytest.mark.parametrize(
    ("nodes", "own", "room"),
    [
        ([{"CPU": 4.0}, {"CPU": 3.0}], WorkerResources(), 7),
        ([{"CPU": 4.0}, {"CPU": 3.0}], WorkerResources(cpus=2), 3),
        ([{"CPU": 4.0}], WorkerResources(cpus=0.1), 40),
        ([{"CPU": 4.0, "big": 2.0}, {"CPU": 4.0}], WorkerResources(custom={"big": 0.5}), 4),
        ([{"CPU": 4.0, "GPU": 1.0}], WorkerResources(gpus=0.25), 4),
        ([{"CPU": 4.0, "GPU": 1.0}], WorkerResources(gpus=1 / 3), 3),
        ([{"CPU": 4.0, "GPU": 2.0}], WorkerResources(gpus=0.75), 2),
        ([{"CPU": 4.0, "GPU": 2.0}], WorkerResources(gpus=1.0), 2),
        ([{"CPU": 4.0, "GPU": 3.0}, {"CPU": 4.0, "GPU": 1.0}], WorkerResources(gpus=2.0), 1),
        ([{"CPU": 4.0}], WorkerResources(gpus=0.5), 0),
        ([], WorkerResources(), 0),
    ],
)
def test_room_is_that_of_each_node(nodes: list[dict[str, float]], own: WorkerResources, room: int) -> None:
    assert own.room(nodes) == room
    check_room(nodes, room, own)
    with pytest.raises(PoolError):
        check_room(nodes, room + 1, own)


@pytest.mark.parametrize(
    ("node", "num_workers", "part", "message"),
    [
        ({"CPU": 2.0}, 3, 0.0, "3 workers need 3 cores; Ray has 2"),
        ({"CPU": 2.0}, 1, 1.0, "Ray has 0 GPUs and 2 cores, enough for 0 such workers"),
        ({"CPU": 8.0, "GPU": 2.0}, 3, 0.6, "Ray has 2 GPUs and 8 cores, enough for 2 such workers"),
    ],
)
def test_what_there_is_is_said(node: dict[str, float], num_workers: int, part: float, message: str) -> None:
    with pytest.raises(PoolError, match=message):
        check_room([node], num_workers, WorkerResources(gpus=part))


def test_other_resources_are_those_of_a_cluster_that_is_joined() -> None:
    with pytest.raises(PoolError, match=r"no machine here has big: .* which ray_address names"):
        check_room([{"CPU": 2.0}], 1, WorkerResources(custom={"big": 1.0}))


@pytest.mark.parametrize("part", [1.5, -1.0])
def test_a_part_of_several_gpus_is_an_error(part: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1, or a whole number"):
        WorkerResources(gpus=part)


def test_a_cluster_without_room_for_one_is_an_error_at_once() -> None:
    node = {"CPU": 2.0, "memory": 1e9, "node:10.0.0.1": 1.0, "object_store_memory": 1e8, "small": 1.0}
    message = (
        "no node of the cluster has room for a worker, which takes CPU 1, big 1; there is: CPU 2, small 1"
    )
    with pytest.raises(PoolError, match=message):
        check_room_for_one([usual(node)], WorkerResources(custom={"big": 1.0}))
