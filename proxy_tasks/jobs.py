"""What a pool is asked to train, and what comes back: values that the rooms above share."""

from __future__ import annotations

from dataclasses import dataclass

from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.scores import Curve, Part, Score

Sample = tuple[str, int, Part]
"""A task's reference, a seed, and the part to score on."""

Subject = Program | Baseline | str
"""A canonical program, a baseline, or the reference of an optax optimizer."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to train, and the samples to train it on until the first failure.

    Attributes:
        subject: what to train.
        samples: on what, in this order.
        alternatives: programs that compete with the subject on the first sample; the best goes on alone.
        max_first_loss: ends it after the first sample if its loss is above this; ``None`` is no hurdle.
    """

    subject: Subject
    samples: tuple[Sample, ...]
    alternatives: tuple[Program, ...] = ()
    max_first_loss: float | None = None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The subject, then the alternatives."""
        return (self.subject, *self.alternatives)


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job.

    Attributes:
        scores: of what was chosen, in the order of the samples; shorter after a failure.
        chosen: its place among the job's subjects.
        others: place and first score of each subject that was not chosen.
    """

    scores: tuple[Score, ...]
    chosen: int = 0
    others: tuple[tuple[int, Score], ...] = ()


@dataclass(frozen=True, slots=True)
class CurveJob:
    """What to train once and to score on the way; what comes of it is a :class:`Curve`.

    Attributes:
        subject: what to train.
        sample: on what.
        num_points: how often it is scored.
    """

    subject: Subject
    sample: Sample
    num_points: int


Payload = Job | CurveJob
"""What a worker is given."""
PayloadResult = JobResult | Curve
"""What it gives back."""
