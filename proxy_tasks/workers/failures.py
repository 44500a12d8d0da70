"""What a job's failure in the pool means for the candidate that was trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind

FAILURE_STATUS: Mapping[FailureKind, Status] = MappingProxyType(
    {
        FailureKind.RAISED: Status.CRASHED,
        FailureKind.DIED: Status.CRASHED,
        FailureKind.TIMED_OUT: Status.TIMED_OUT,
        FailureKind.OUT_OF_MEMORY: Status.OUT_OF_MEMORY,
    }
)
"""What a job's failure in the pool means for a candidate."""


def failed(task: str, part: Part, seed: int, failure: Failure) -> Score:
    """The score of a training that its worker could not finish."""
    return Score(task, part, seed, FAILURE_STATUS[failure.kind], None, 0, 0.0, failure.reason)
