"""From settings to a pool of workers: Ray processes, or this process."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial

from lion_search.dsl.functions import own_references
from lion_search.dsl.imports import hand_over, modules_to_send
from lion_search.dsl.shown import plural
from lion_search.proxy_tasks.workers.environment import usable_cores, worker_environment
from lion_search.proxy_tasks.workers.pool import NO_LIMITS, InlinePool, JobLimits, Pool, PoolError
from lion_search.proxy_tasks.workers.ray_cluster import check_address
from lion_search.proxy_tasks.workers.resources import ONE_CORE, WorkerResources
from lion_search.proxy_tasks.workers.worker import make_worker

_BATCHED_JOBS = 256
"""Jobs handed at once to a worker in batched mode, a batch of trainings; to any other, a few."""
_FEW_JOBS = 8


def cluster_address(given: str | None) -> str | None:
    """The address of the Ray cluster to join, ``given`` or that of RAY_ADDRESS; ``None``: there is none.

    Raises:
        PoolError: nobody answers there.
    """
    if given:
        check_address(given)
        return given
    address = os.environ.get("RAY_ADDRESS") or None
    if address is not None:
        try:
            check_address(address)
        except PoolError as error:
            raise PoolError(f"RAY_ADDRESS is set: {error}") from error
    return address


def make_pool(
    tasks: Sequence[str],
    *,
    workers: int | str = "auto",
    mode: str | None = None,
    limits: JobLimits = NO_LIMITS,
    address: str | None = None,
    resources: WorkerResources = ONE_CORE,
    report: Callable[[str], None] = lambda line: None,
) -> Pool:
    """A pool that evaluates jobs on some tasks, with the user's own functions that this process knows.

    Args:
        tasks: references of tasks to compile for at the start.
        workers: number of Ray processes, ``auto`` for as many as there is room for, ``inline`` for none.
        mode: how programs are run; by default what is fastest for each task.
        limits: of time and memory, for Ray processes.
        address: of a Ray cluster to join; by default what RAY_ADDRESS says, else a private one is started.
        resources: what each worker takes of it.
        report: is told, in a line, what happens.
    """
    factory = partial(make_worker, own_references(), tuple(tasks), mode)
    batched = mode == "batched" or resources.gpus > 0
    if workers == "inline":
        import jax

        batched = batched or jax.default_backend() != "cpu"
        if (num_devices := jax.local_device_count()) > 1:
            report(
                f"One of {num_devices} devices is used; workers={num_devices} and gpus_per_worker=1 use all"
            )
        return InlinePool(factory, batch_size=_BATCHED_JOBS if batched else _FEW_JOBS, batched=batched)
    from lion_search.proxy_tasks.workers.ray_pool import RayPool

    address = cluster_address(address)
    num_workers = int(workers) if workers != "auto" else None if address else usable_cores()
    starting = f"Starting {plural(num_workers or 0, 'Ray worker')}"
    report(f"Joining the Ray cluster at {address}" if address else starting)
    with warnings.catch_warnings():
        # JAX warns of every fork, since it has threads; each fork here is followed by an exec at once.
        warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called", category=RuntimeWarning)
        return RayPool(
            partial(factory, code=hand_over()),
            num_workers=num_workers,
            environment=worker_environment,
            batch_size=_BATCHED_JOBS if batched else _FEW_JOBS,
            limits=limits,
            batched=batched,
            address=address,
            modules=modules_to_send() if address else (),
            resources=resources,
            report=report,
        )
