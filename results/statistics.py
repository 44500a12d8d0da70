"""What a search did, in numbers read from its log: for ``lion-search stats RUN``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lion_search.proxy_tasks.scores import FAULTS, Status
from lion_search.results.queries import (
    FailureGroup,
    IndividualGroup,
    TrainingGroup,
    failure_groups,
    individual_groups,
    redundant_share,
    samples_per_program,
    training_groups,
)
from lion_search.results.records import HITS, NOVEL, SEARCH_SECONDS_FACT, TRAINED, Outcome
from lion_search.results.store import Store

RECENT = 1000
"""Individuals over which the redundant share is a mean."""
_REASONS = 3
"""So many of the commonest reasons are told for each status."""


@dataclass(frozen=True, slots=True)
class MutationCount:
    """What one kind of mutation gave.

    Attributes:
        programs: in whose making it took part.
        novel: how many of them were new to the search.
    """

    programs: int
    novel: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A search in numbers; its fields are JSON values.

    Attributes:
        programs: individuals in the log.
        same_as_parent: of these, hits because they had their parent's hash,
        seen: because they had the hash of another earlier one,
        fingerprint: because they had the fingerprint of an earlier one.
        hits: all three.
        hit_rate: share of hits in the programs, in [0, 1]; ``None`` without programs.
        evaluated: individuals trained as new, or tried again after they brought down their worker.
        resampled: known ones trained on further seeds.
        reused: new ones whose scores came from an earlier run.
        novel: distinct programs, by the search's own notion of equality.
        search_seconds: how long the search took; ``None`` where the run does not say.
        novel_per_hour: of that time.
        trainings: evaluations the search paid for.
        training_seconds: that these took, summed over workers.
        statuses: of the individuals that were trained, how many ended how.
        redundant_share: mean share of redundant statements of the last ``RECENT`` individuals, in [0, 1].
        mutations: by kind; a program made by several counts for each.
        update_scales: how many novel programs were kept with which factor folded into their update.
        stopped: programs that a hurdle ended after their first sample.
        saved_seconds: what their other samples would have taken, by the mean of each task; ``None`` if that
            cannot be estimated because no program passed.
        saved_share: the share of that in what all would have taken, in [0, 1].
        repeats: populations that have individuals.
        restarts: how often a population was begun again from the best.
        failures: why trainings failed, the commonest reasons first; not those that a hurdle stopped.
        is_repeatable: whether the same config and seed give the same programs on any machine.
    """

    programs: int
    same_as_parent: int
    seen: int
    fingerprint: int
    hits: int
    hit_rate: float | None
    evaluated: int
    resampled: int
    reused: int
    novel: int
    search_seconds: float | None
    novel_per_hour: float | None
    trainings: int
    training_seconds: float
    statuses: Mapping[str, int]
    redundant_share: float | None
    mutations: Mapping[str, MutationCount]
    update_scales: Mapping[str, int]
    stopped: int
    saved_seconds: float | None
    saved_share: float | None
    repeats: int
    restarts: int
    failures: Sequence[FailureGroup]
    is_repeatable: bool


def statistics(store: Store) -> Statistics:
    """Counts what a search did. The database does most of it: a million individuals take seconds."""
    facts = store.run_facts()
    groups, trainings = individual_groups(store), training_groups(store)
    outcomes: Counter[Outcome] = Counter()
    for group in groups:
        outcomes[group.outcome] += group.count
    programs = sum(group.count for group in groups)
    hits = sum(outcomes[outcome] for outcome in HITS)
    novel = [group for group in groups if group.is_first and group.outcome in NOVEL]
    num_novel = sum(group.count for group in novel)
    seconds = facts.get(SEARCH_SECONDS_FACT)
    training_seconds = math.fsum(group.seconds for group in trainings)
    saved = _saved_seconds(trainings, samples_per_program(store))
    return Statistics(
        programs=programs,
        same_as_parent=outcomes[Outcome.SAME_AS_PARENT],
        seen=outcomes[Outcome.SEEN],
        fingerprint=outcomes[Outcome.FINGERPRINT],
        hits=hits,
        hit_rate=hits / programs if programs else None,
        evaluated=outcomes[Outcome.EVALUATED],
        resampled=outcomes[Outcome.RESAMPLED],
        reused=outcomes[Outcome.REUSED],
        novel=num_novel,
        search_seconds=seconds,
        novel_per_hour=3600 * num_novel / seconds if seconds else None,
        trainings=sum(group.count for group in trainings),
        training_seconds=training_seconds,
        statuses=_statuses(groups),
        redundant_share=redundant_share(store, RECENT),
        mutations=_mutations(groups, novel),
        update_scales=_update_scales(novel),
        stopped=sum(group.count for group in trainings if _is_stopped(group)),
        saved_seconds=saved,
        saved_share=None if saved is None else saved / max(saved + training_seconds, 1e-30),
        repeats=len({group.repeat for group in groups}),
        restarts=sum(group.count for group in groups if group.mutation == "restart"),
        failures=failure_groups(store, _REASONS),
        is_repeatable=_is_repeatable(groups, trainings, facts),
    )


def _statuses(groups: Sequence[IndividualGroup]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for group in groups:
        if group.outcome in TRAINED:
            found[str(group.status)] += group.count
    return dict(found.most_common())


def _mutations(
    groups: Sequence[IndividualGroup], novel: Sequence[IndividualGroup]
) -> dict[str, MutationCount]:
    programs, new = _by_kind(groups), _by_kind(novel)
    return {kind: MutationCount(count, new[kind]) for kind, count in programs.most_common()}


def _by_kind(groups: Sequence[IndividualGroup]) -> Counter[str]:
    found: Counter[str] = Counter()
    for group in groups:
        for kind in set(group.mutation.split("+")):
            found[kind] += group.count
    return found


def _update_scales(novel: Sequence[IndividualGroup]) -> dict[str, int]:
    found: Counter[float] = Counter()
    for group in novel:
        found[group.update_scale] += group.count
    return {f"{scale:g}": found[scale] for scale in sorted(found)}


def _is_stopped(group: TrainingGroup) -> bool:
    return group.is_kept and group.status is Status.STOPPED


def _saved_seconds(trainings: Sequence[TrainingGroup], samples: Mapping[str, int]) -> float | None:
    """What the samples after the first would have taken of the programs that a hurdle stopped there."""
    stopped: Counter[str] = Counter()
    for group in trainings:
        if _is_stopped(group):
            stopped[group.task] += group.count
    if not stopped:
        return 0.0
    if not samples:
        return None
    means = _mean_seconds(trainings)
    whole = math.fsum(count * means[task] for task, count in samples.items())
    return math.fsum(count * (whole - means[task]) for task, count in stopped.items())


def _mean_seconds(trainings: Sequence[TrainingGroup]) -> dict[str, float]:
    """The mean time of a training that ended well, for each task."""
    count: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for group in trainings:
        if group.status is Status.OK:
            count[group.task] += group.count
            seconds[group.task] = seconds.get(group.task, 0.0) + group.seconds
    return {task: total / count[task] for task, total in seconds.items()}


def _is_repeatable(
    groups: Sequence[IndividualGroup], trainings: Sequence[TrainingGroup], facts: Mapping[str, Any]
) -> bool:
    order = facts.get("config", {}).get("search", {}).get("order")
    met = {group.status for group in groups} | {group.status for group in trainings}
    return order == "deterministic" and met.isdisjoint(FAULTS)
