"""The settings of a search. Those of a method are stated beside it, in ``methods/``."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from lion_search.dsl.settings import PositiveFloat, PositiveInt, Probability, Settings, Weight
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.results.records import MAX_SEEDS


class Order(enum.StrEnum):
    """In which order individuals are committed."""

    DETERMINISTIC = "deterministic"
    """By position: the same config and seed give the same programs for any number of workers."""
    ASYNCHRONOUS = "asynchronous"
    """As results arrive, as in the paper: for many workers. Replayed from its log, not repeatable."""


class LoopSettings(Settings):
    """What all methods have in common; the settings of a method are a class that inherits from this one."""

    method: str = "evolution"
    """How programs are proposed: a name of ``METHODS``, or one of your own, module:name."""
    order: Annotated[Order, Field(strict=False)] = Order.DETERMINISTIC
    """deterministic: the same seed gives the same programs for any number of workers; asynchronous: as
    results arrive, for hundreds of workers; it can be replayed from its log, not repeated."""
    lag: PositiveInt = 256
    """In deterministic order a proposal sees the log up to so many positions before its own, so that the
    order in which results arrive changes nothing. Workers wait if the programs under way are nearly as
    many."""
    repeats: PositiveInt = 1
    """Independent populations, which take turns."""
    niches: Literal["none", "states"] = "none"
    """none: all programs compete; states: a program competes with those of as many state arrays. Each niche
    has a population, a hurdle and a best of its own; proposals are shared out equally."""
    schedule: Literal["program", "outside"] = "program"
    """program: programs may read the learning rate's schedule; outside: they do not see it, and their update
    is multiplied by it, so that a search on short trainings does not spend itself on flattening the
    schedule."""
    fingerprint: bool = True
    """Programs that do the same on fixed probes share their scores."""
    update_scales: Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=1)] = (1.0,)
    """A new program is tried with its update multiplied by each, on the first seed of the first task; the
    best is folded into its constants: an update such as a sign needs a smaller learning rate than AdamW's.
    [1.0] does nothing."""

    @field_validator("update_scales")
    @classmethod
    def _check_scales(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if scales[0] != 1.0 or len(set(scales)) < len(scales):
            raise ValueError(f"must begin with 1.0 and differ from each other, found {list(scales)}")
        return scales


class PopulationSettings(LoopSettings):
    """Of methods that keep a population."""

    population: PositiveInt = 1000
    """How many individuals live, in each niche; fewer converge sooner and explore less."""
    tournament: PositiveInt = 2
    """So many random members compete to be the parent."""
    plateau: PositiveInt | None = None
    """A population is restarted from the best of all after so many programs without progress; null: never."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tournament > self.population:
            raise ValueError(f"tournament {self.tournament} is larger than population {self.population}")
        if self.plateau is not None and self.niches != "none":
            raise ValueError("a search with niches is not restarted; set plateau to null")
        return self


class NoiseSettings(Settings):
    """Which programs are trained on further seeds: those that are hit again and again, near the best."""

    max_seeds: Annotated[int, Field(gt=0, le=MAX_SEEDS)] | None = None
    """Most seeds of a task; null: none beyond those in tasks."""
    hits: PositiveInt = 3
    """A program must have been hit so often since it was last trained."""
    near: Weight = 2.0
    """Standard errors of its mean that it may be behind the best."""
    caution: Weight = 1.0
    """Standard errors that are taken off every mean; the noise of one seed is that of tuned AdamW."""


class HurdleSettings(Settings):
    """Which programs are not trained on all samples: those whose loss on the first one is too high."""

    percentile: Annotated[float, Field(gt=0, le=100)] | None = None
    """The highest first loss that passes, as a percentile of the last ones; null: no hurdle."""
    window: PositiveInt = 1000
    """How many of the last first losses are looked at."""
    rejects: bool = False
    """A child that fails is kept out of the population, and its parent mutated again."""


class Budget(Settings):
    """When a search ends: whichever of the limits comes first."""

    programs: PositiveInt = 100_000
    """Programs in the log."""
    evaluations: PositiveInt | None = None
    """Programs that are trained, for the first time or on further seeds; null: no limit."""
    minutes: PositiveFloat | None = None
    """Of searching; pauses are not counted, after a stop or while the machine sleeps; null: no limit."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Everything that decides which programs a search proposes and keeps.

    Attributes:
        loop: what all methods share, and the method's own settings.
        mutation: what mutation may do.
        until_changed: probability that a child is mutated on until its hash differs from its parent's.
        noise: which programs are trained on further seeds.
        hurdle: which programs are not trained on all samples.
    """

    loop: LoopSettings = PopulationSettings()
    mutation: MutationSpace = MutationSpace()
    until_changed: Probability = 0.0
    noise: NoiseSettings = NoiseSettings()
    hurdle: HurdleSettings = HurdleSettings()
