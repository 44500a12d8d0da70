"""What a worker takes of a cluster's node, and how many workers have room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lion_search.dsl.shown import plural
from lion_search.proxy_tasks.workers.pool import PoolError

_UNITS = 10_000
"""Ray gives out parts of each resource in so many units."""

Node = Mapping[str, float]
"""How much a node of a cluster has, by Ray's names: CPU, GPU, and those that its owner chose."""


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """What Ray keeps for each worker.

    Attributes:
        cpus: cores; the worker computes on one whatever this says.
        gpus: a part of one GPU, at most 1, or a number of whole ones.
        custom: any other resources, by the names that nodes were started with.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    custom: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise ValueError(f"gpus_per_worker is {self.gpus:g}: expected 0 to 1, or a whole number")

    def __str__(self) -> str:
        amounts = {"CPU": self.cpus, "GPU": self.gpus, **self.custom}
        return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items() if amount)

    def room(self, nodes: Sequence[Node]) -> int:
        """How many workers the nodes have room for, if nobody else takes anything."""
        return sum(self._room(node) for node in nodes)

    def _room(self, node: Node) -> int:
        shared = {"CPU": self.cpus, **self.custom}
        rooms = [_whole(node.get(name, 0.0), amount) for name, amount in shared.items() if amount]
        gpus = int(node.get("GPU", 0))
        if self.gpus > 1:
            rooms.append(gpus // int(self.gpus))
        elif self.gpus:  # no part of a worker's may be on another GPU
            rooms.append(gpus * _whole(1.0, self.gpus))
        return min(rooms, default=0)


ONE_CORE = WorkerResources()


def _whole(there: float, amount: float) -> int:
    return round(_UNITS * there) // max(1, round(_UNITS * amount))


def check_room(nodes: Sequence[Node], num_workers: int, own: WorkerResources) -> None:
    """Refuses more workers than there is room for: Ray would wait for it without end.

    Raises:
        PoolError: the message says what there is.
    """
    if num_workers <= (room := own.room(nodes)):
        return
    if own.custom:
        raise PoolError(
            f"no machine here has {', '.join(own.custom)}: resources_per_worker is for nodes of a cluster, "
            "which ray_address names"
        )
    cpus, gpus = (int(sum(node.get(name, 0) for node in nodes)) for name in ("CPU", "GPU"))
    if own.gpus:
        raise PoolError(
            f"{plural(num_workers, 'worker')} with {own.gpus:g} of a GPU each are too many; "
            f"Ray has {gpus} GPUs and {plural(cpus, 'core')}, enough for {room} such workers"
        )
    raise PoolError(f"{num_workers} workers need {num_workers} cores; Ray has {cpus}")


def check_room_for_one(nodes: Sequence[Node], own: WorkerResources) -> None:
    """Refuses a cluster no node of which could ever hold a worker.

    Raises:
        PoolError: the message says what the nodes have.
    """
    if own.room(nodes) == 0:
        there = "; ".join(", ".join(f"{name} {amount:g}" for name, amount in node.items()) for node in nodes)
        raise PoolError(f"no node of the cluster has room for a worker, which takes {own}; there is: {there}")


def usual(node: Mapping[str, float]) -> dict[str, float]:
    """What a person has to know of a node: without Ray's own bookkeeping, and without its memory."""
    return {
        name: amount
        for name, amount in sorted(node.items())
        if ":" not in name and name not in ("memory", "object_store_memory") and not name.startswith("accel")
    }
