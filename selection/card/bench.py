"""What the checks of a card share: the program with its constants set by name, and ways to train it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lion_search.dsl.export.hyperparameters import WEIGHT_DECAY, Rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.setting import with_values
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.scores import Part, Score
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.logged import train_logged


class Step(Protocol):
    """A step of a training that is watched, of which a check reads these; arrays are over all weights."""

    @property
    def lr(self) -> float:
        """The schedule's value."""

    @property
    def weights(self) -> np.ndarray:
        """Before the step."""

    @property
    def states(self) -> Sequence[np.ndarray]:
        """Before the step."""

    @property
    def update(self) -> np.ndarray:
        """What was subtracted."""

    @property
    def new_weights(self) -> np.ndarray:
        """After the step."""

    @property
    def new_states(self) -> Sequence[np.ndarray]:
        """After the step."""


class Walker(Protocol):
    """Trains with a program step by step in this process."""

    def steps(
        self,
        program: Program,
        *,
        num_steps: int | None = None,
        keep: Callable[[np.ndarray], np.ndarray] | None = None,
        given: Sequence[Any] = (),
        factor: float = 1.0,
    ) -> Iterator[Step]:
        """Every step, until a weight is not finite: see :func:`training.recording.steps`."""
        ...

    def loss(self, weights: np.ndarray) -> float:
        """On validation data."""
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """Where a program's learning rate and weight decay are, as multiples of those of tuned AdamW."""

    rate: float
    decay: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A program and what it is measured with.

    Attributes:
        rule: the program, its constants named.
        task: its name.
        adamw: tuned on the task.
        store: keeps all trainings.
        pool: evaluates jobs.
        walker: on the task.
        num_seeds: trainings of each point.
    """

    rule: Rule
    task: str
    adamw: Baseline
    store: Store
    pool: Pool
    walker: Walker
    num_seeds: int
    scores: dict[Point, list[Score]] = field(default_factory=dict)

    @property
    def theirs(self) -> Mapping[str, float]:
        """AdamW's constants."""
        return dict(self.adamw.hyperparameters)

    def program(self, point: Point) -> Program:
        """The program there; a constant keeps its sign."""
        defaults = self.rule.defaults
        wanted = {
            RATE: self.theirs[RATE] * point.rate,
            WEIGHT_DECAY: self.theirs[WEIGHT_DECAY] * point.decay,
        }
        values = {n: (-v if defaults[n] < 0 else v) for n, v in wanted.items() if n in defaults}
        return with_values(self.rule, {name: float(f"{value:.4g}") for name, value in values.items()})

    def train(
        self, subjects: Sequence[Program | Baseline], seeds: Sequence[int], task: str | None = None
    ) -> list[list[Score]]:
        """Scores on validation data, of what was trained before from the store."""
        return train_logged(
            self.store, self.pool, Stage.CARD, subjects, [task or self.task], Part.VALIDATION, seeds
        )
