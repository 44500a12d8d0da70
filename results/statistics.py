"""What a search did, in numbers read from its log: for ``lion-search stats RUN``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lion_search.proxy_tasks.scores import FAULTS
from lion_search.results.counts import IndividualCounts, TrainingCounts
from lion_search.results.digest import Digest, read_digest
from lion_search.results.queries import (
    FailureGroup,
    IndividualGroup,
    TrainingGroup,
    redundant_share,
    samples_per_program,
)
from lion_search.results.records import NOVEL, SEARCH_SECONDS_FACT, Outcome
from lion_search.results.store import Store

RECENT = 1000
"""Individuals over which the redundant share is a mean."""
_REASONS = 3
"""So many of the commonest reasons are told for each status."""


@dataclass(frozen=True, slots=True)
class MutationCount:
    """What one kind of mutation gave.

    Attributes:
        programs: that it alone made, in one step or several.
        novel: how many of them were new to the search.
        fitter: how many of these were judged better than their parent was by then.
    """

    programs: int
    novel: int
    fitter: int


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
        evaluated: that cost trainings: new ones, ones tried again after they brought down their worker,
            and known ones on further seeds,
        resampled: of these, the last.
        reused: new ones whose scores came from an earlier run.
        novel: distinct programs, by the search's own notion of equality.
        search_seconds: how long the search took; ``None`` where the run does not say.
        novel_per_hour: of that time.
        trainings: evaluations the search paid for.
        training_seconds: that these took, summed over workers.
        statuses: of the individuals that were trained, how many ended how.
        redundant_share: mean share of redundant statements of the last ``RECENT`` individuals, in [0, 1].
        mutations: by kind; a program made by several kinds counts once, as ``SEVERAL``.
        update_scales: how many novel programs were kept with which factor folded into their update.
        stopped: programs that a hurdle ended after their first sample.
        workers_busy: workers that trained at a time, on average; ``None`` where the run does not say.
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
    workers_busy: float | None
    saved_seconds: float | None
    saved_share: float | None
    repeats: int
    restarts: int
    failures: Sequence[FailureGroup]
    is_repeatable: bool


def statistics(store: Store, digest: Digest | None = None) -> Statistics:
    """Counts what a search did; ``digest``: of the log, where it was read in the same moment."""
    with store.moment():
        return _statistics(store, store.run_facts(), digest or read_digest(store))


def _statistics(store: Store, facts: Mapping[str, Any], digest: Digest) -> Statistics:
    groups, trainings = digest.individuals, digest.trainings
    counts, paid = IndividualCounts(), TrainingCounts()
    for group in groups:
        counts.add(group.outcome, group.status, is_first=group.is_first, count=group.count)
    for own in trainings:
        paid.add(own.task, own.status, own.seconds, is_kept=own.is_kept, count=own.count)
    programs, outcomes, samples = counts.programs, counts.outcomes, samples_per_program(store)
    novel = [group for group in groups if group.is_first and group.outcome in NOVEL]
    seconds = facts.get(SEARCH_SECONDS_FACT)
    return Statistics(
        programs=programs,
        same_as_parent=outcomes[Outcome.SAME_AS_PARENT],
        seen=outcomes[Outcome.SEEN],
        fingerprint=outcomes[Outcome.FINGERPRINT],
        hits=counts.hits,
        hit_rate=counts.hits / programs if programs else None,
        evaluated=counts.evaluated,
        resampled=outcomes[Outcome.RESAMPLED],
        reused=outcomes[Outcome.REUSED],
        novel=counts.novel,
        search_seconds=seconds,
        novel_per_hour=3600 * counts.novel / seconds if seconds else None,
        trainings=paid.trainings,
        training_seconds=paid.seconds,
        statuses={str(status): count for status, count in counts.statuses.most_common()},
        redundant_share=redundant_share(store, RECENT),
        mutations=_mutations(groups, novel, digest.fitter),
        update_scales=_update_scales(novel),
        stopped=paid.stopped,
        workers_busy=paid.seconds / seconds if seconds else None,
        saved_seconds=paid.saved_seconds(samples),
        saved_share=paid.saved_share(samples),
        repeats=len({group.repeat for group in groups}),
        restarts=sum(group.count for group in groups if group.mutation == "restart"),
        failures=_commonest(digest.failures),
        is_repeatable=_is_repeatable(groups, trainings, facts),
    )


def _mutations(
    groups: Sequence[IndividualGroup], novel: Sequence[IndividualGroup], fitter: Counter[str]
) -> dict[str, MutationCount]:
    programs, new = _by_kind(groups), _by_kind(novel)
    return {kind: MutationCount(count, new[kind], fitter[kind]) for kind, count in programs.most_common()}


def _by_kind(groups: Sequence[IndividualGroup]) -> Counter[str]:
    found: Counter[str] = Counter()
    for group in groups:
        found[group.mutation] += group.count
    return found


def _commonest(failures: Sequence[FailureGroup]) -> list[FailureGroup]:
    """The commonest reasons of each status."""
    found: dict[str, list[FailureGroup]] = {}
    for group in sorted(failures, key=lambda group: (-group.count, group.status, group.reason)):
        found.setdefault(group.status, []).append(group)
    return [group for groups in found.values() for group in groups[:_REASONS]]


def _update_scales(novel: Sequence[IndividualGroup]) -> dict[str, int]:
    found: Counter[float] = Counter()
    for group in novel:
        found[group.update_scale] += group.count
    return {f"{scale:g}": found[scale] for scale in sorted(found)}


def _is_repeatable(
    groups: Sequence[IndividualGroup], trainings: Sequence[TrainingGroup], facts: Mapping[str, Any]
) -> bool:
    order = facts.get("config", {}).get("search", {}).get("order")
    met = {group.status for group in groups} | {group.status for group in trainings}
    return order == "deterministic" and met.isdisjoint(FAULTS)
