"""Looking at a run that goes on, whose database may refuse for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

from lion_search.results.location import StoreError

Look = TypeVar("Look")
_PATIENCE = 5
"""How often in a row the database may refuse; each time a lock is waited for, for 5 seconds."""


def patiently(look: Callable[[], Look], interval_seconds: float) -> Look:
    """What a look finds, once the database does not refuse.

    Raises:
        StoreError: it refuses too often, or for more than a moment.
    """
    for _ in range(_PATIENCE):
        try:
            return look()
        except StoreError as error:
            if not isinstance(error.__cause__, OperationalError):
                raise
        time.sleep(interval_seconds)
    return look()
