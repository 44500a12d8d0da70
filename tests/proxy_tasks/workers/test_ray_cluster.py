"""What a worker's part of a GPU is, and what a cluster cannot give; `test_pool_driver.py` has a real Ray."""

from __future__ import annotations

import pytest

from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_cluster import check_resources, worker_environment


def test_without_a_gpu_the_environment_is_as_given() -> None:
    assert worker_environment({"JAX_PLATFORMS": "cpu", "A": "b"}, 0.0) == {"JAX_PLATFORMS": "cpu", "A": "b"}


@pytest.mark.parametrize(("part", "share"), [(1.0, "0.900"), (0.5, "0.450"), (0.25, "0.225"), (2.0, "0.900")])
def test_a_part_of_a_gpu_is_a_part_of_its_memory(part: float, share: str) -> None:
    environment = worker_environment({"JAX_PLATFORMS": "cpu", "A": "b"}, part)
    assert environment == {
        "A": "b",
        "JAX_PLATFORMS": "cuda,cpu",
        "XLA_CLIENT_MEM_FRACTION": share,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
    }


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
