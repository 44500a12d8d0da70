"""The settings of a search, one value for each policy."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lion_search.dsl.variation.mutation import MutationSpace


class Method(enum.StrEnum):
    """How programs are proposed."""

    EVOLUTION = "evolution"
    """Regularized evolution with all kinds of mutation (Real et al., 2019; Chen et al., section 3)."""
    CONSTANTS = "constants"
    """Evolution that changes constants only: a hyper-parameter search."""
    DELETION = "deletion"
    """Evolution that deletes statements only: simplification by selection."""
    RANDOM = "random"
    """Random programs, each for itself."""


class Order(enum.StrEnum):
    """In which order individuals are committed."""

    DETERMINISTIC = "deterministic"
    """By position: the same config and seed give the same programs for any number of workers."""
    ASYNCHRONOUS = "asynchronous"
    """As results arrive, as in the paper: for many workers. Replayed from its log, not repeatable."""


@dataclass(frozen=True, slots=True)
class NoisePolicy:
    """Which programs are trained on further seeds.

    Attributes:
        max_seeds: most seeds of a task; what all programs get is less, or the policy does nothing.
        hits: how often a program must have been hit since it was last trained.
        near: how many standard errors of its own mean it may be behind the best.
    """

    max_seeds: int = 1
    hits: int = 3
    near: float = 2.0


@dataclass(frozen=True, slots=True)
class HurdlePolicy:
    """Which programs are not trained on all samples.

    Attributes:
        percentile: of the last first losses; a first loss above it ends the training. ``None``: no hurdle.
        window: how many first losses are looked at.
        rejects: whether a child that fails is kept out of the population and its parent mutated again.
    """

    percentile: float | None = None
    window: int = 1000
    rejects: bool = False


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How programs are proposed and kept.

    Attributes:
        method: see :class:`Method`.
        population: how many individuals live.
        tournament: how many random members compete to be the parent.
        order: see :class:`Order`.
        lag: in deterministic order, how many positions back the newest individual lies that a proposal may
            see; the number of evaluations in flight divided by the share of misses must stay well below it,
            or workers wait.
        repeats: independent populations, which take turns.
        plateau: a population is restarted from the best of all after so many individuals without a better
            one; ``None`` for never.
        mutation: what mutation may do.
        until_changed: probability that a child is mutated on until its hash differs from its parent's.
        fingerprint: whether programs of equal fingerprint share scores.
        max_random_statements: longest program of a random search.
        noise: see :class:`NoisePolicy`.
        hurdle: see :class:`HurdlePolicy`.
        update_scales: a new program is tried with its update multiplied by each, on the first sample; the
            first is 1.
    """

    method: Method = Method.EVOLUTION
    population: int = 1000
    tournament: int = 2
    order: Order = Order.DETERMINISTIC
    lag: int = 256
    repeats: int = 1
    plateau: int | None = None
    mutation: MutationSpace = MutationSpace()
    until_changed: float = 0.0
    fingerprint: bool = True
    max_random_statements: int = 16
    noise: NoisePolicy = NoisePolicy()
    hurdle: HurdlePolicy = HurdlePolicy()
    update_scales: tuple[float, ...] = (1.0,)
