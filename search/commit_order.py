"""In which order proposed individuals are committed: by position, or as their scores come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from lion_search.search.in_flight import Pending, Training
from lion_search.search.settings import Order


class CommitOrder(Protocol):
    """Holds proposed individuals until their turn has come."""

    def add(self, pending: Pending) -> None:
        """Takes the next proposal."""
        ...

    def notice(self, training: Training) -> None:
        """Is told that the result of a training is there."""
        ...

    def ready(self) -> Iterator[Pending]:
        """Hands out those that can be committed now, each once."""
        ...

    def __len__(self) -> int: ...


def commit_order(order: Order) -> CommitOrder:
    """The order's implementation, empty."""
    return _ByPosition() if order is Order.DETERMINISTIC else _AsTheyCome()


def _waits(pending: Pending) -> bool:
    return pending.training is not None and pending.training.result is None


class _ByPosition:
    """Up to the first individual that still waits for its scores."""

    def __init__(self) -> None:
        self._pending: deque[Pending] = deque()

    def add(self, pending: Pending) -> None:
        self._pending.append(pending)

    def notice(self, training: Training) -> None:
        del training

    def ready(self) -> Iterator[Pending]:
        while self._pending and not _waits(self._pending[0]):
            yield self._pending.popleft()

    def __len__(self) -> int:
        return len(self._pending)


class _AsTheyCome:
    """Whatever has its scores; the individuals that wait for one training keep their order."""

    def __init__(self) -> None:
        self._waiting: dict[Training | None, list[Pending]] = {}
        self._ready: deque[Pending] = deque()
        self._count = 0

    def add(self, pending: Pending) -> None:
        self._count += 1
        if _waits(pending):
            self._waiting.setdefault(pending.training, []).append(pending)
        else:
            self._ready.append(pending)

    def notice(self, training: Training) -> None:
        self._ready.extend(self._waiting.pop(training, ()))

    def ready(self) -> Iterator[Pending]:
        while self._ready:
            self._count -= 1
            yield self._ready.popleft()

    def __len__(self) -> int:
        return self._count
