"""Whether a worker on another machine has what this process has."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping

from lion_search.proxy_tasks.workers.pool import PoolError

_PYTHON = "Python"
_DECIDING = (_PYTHON, "numpy", "jax", "jaxlib")
"""On which results depend, or what can be unpickled."""


def versions() -> dict[str, str]:
    """Of Python and of the packages that a worker needs; empty for one that is missing."""
    return {name: _version(name) for name in _DECIDING}


def check_versions(expected: Mapping[str, str]) -> None:
    """Refuses to work where the versions are others than the driver's.

    Raises:
        PoolError: the message names each.
    """
    other = [
        f"{name} is {here or 'missing'}, and {wanted} where the run was started"
        for name, wanted in expected.items()
        if (here := _version(name)) != wanted
    ]
    if other:
        raise PoolError(f"on {platform.node()} {'; '.join(other)}: install the same there")


def _version(name: str) -> str:
    try:
        return platform.python_version() if name == _PYTHON else importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
