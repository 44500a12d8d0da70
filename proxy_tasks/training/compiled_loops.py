"""The compiled training loops that this process keeps, whatever tasks they are of."""

from __future__ import annotations

import contextlib
import ctypes
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import jax

MOST = 32
"""So many are kept; the one that was used longest ago is dropped. One takes some tens of megabytes."""


class CompiledLoop:
    """A jitted function that gives its result as NumPy."""

    __slots__ = ("_function", "_is_new")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = jax.jit(function)
        self._is_new = True

    def __call__(self, *args: Any) -> Any:
        """Compiled at the first call; a call that fails before it is may be made again."""
        result = jax.device_get(self._function(*args))
        if self._is_new:
            self._is_new = False
            _give_memory_back()
        return result


class CompiledLoops:
    """Loops by key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, CompiledLoop] = OrderedDict()

    def find(self, key: Hashable, make: Callable[[], Callable[..., Any]]) -> CompiledLoop:
        """The loop of a key; if it is not there, one of the function that ``make`` gives."""
        if key not in self._kept:
            self._kept[key] = CompiledLoop(make())
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def kept(self) -> list[Hashable]:
        """The keys of those that are there, that which was used last at the end."""
        return [*self._kept]


def _give_memory_back() -> None:
    """Hands to the system what the C library keeps of the hundreds of megabytes that compiling takes."""
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
