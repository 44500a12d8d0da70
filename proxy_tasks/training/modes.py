"""How programs are run on a task: as data, compiled, or many at once; decided once, without any timing."""

from __future__ import annotations

import enum

from lion_search.proxy_tasks.training.prepare import FlatProblem

_COMPILE_SECONDS = 2.5
_INTERPRETED_EXTRA = 4e-9
"""What interpreting costs more than compiled code, in seconds for each weight and step of a usual program."""


class Mode(enum.StrEnum):
    """A way to run programs."""

    INTERPRETED = "interpreted"
    """As data, by an interpreter that is compiled once for a task."""
    COMPILED = "compiled"
    """Each for itself; for tasks whose training takes longer than a compilation. On an accelerator trainings
    of one structure are a batch."""
    BATCHED = "batched"
    """As data, many trainings at a time, for accelerators; see `batched`."""


def choose_mode(problem: FlatProblem, platform: str) -> Mode:
    """The mode that is fastest, from static costs alone, so that it is the same for every worker.

    Args:
        problem: of the task.
        platform: JAX's name of the device: ``cpu``, ``gpu``, ``tpu``.
    """
    if platform != "cpu":
        return Mode.BATCHED
    extra = _INTERPRETED_EXTRA * problem.layout.size * problem.task.num_steps
    return Mode.COMPILED if extra > _COMPILE_SECONDS else Mode.INTERPRETED
