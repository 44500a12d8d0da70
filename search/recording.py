"""From a pending individual and its scores to the records of the log."""

from __future__ import annotations

from dataclasses import dataclass

from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.jobs import JobResult
from lion_search.proxy_tasks.scores import overall_status
from lion_search.results.records import TRAINED, Evaluation, Individual, Outcome, Stage
from lion_search.search.in_flight import InFlight, Pending, Scaled
from lion_search.search.lookup import scaled


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is committed of one individual.

    Attributes:
        individual: its record.
        program: the genome that goes on.
        evaluations: the trainings it was the cause of; those of other update scales first.
    """

    individual: Individual
    program: Program
    evaluations: list[Evaluation]


def record(pending: Pending, number: int, in_flight: InFlight) -> Recorded:
    """The records of an individual whose scores are there.

    Args:
        pending: the individual.
        number: its place in the log.
        in_flight: what has been proposed and is not applied yet, this one included.
    """
    result = None if pending.training is None else pending.training.result
    status = pending.entry.status if result is None else overall_status(result.scores)
    assert status is not None
    scored_id = number if pending.is_new else in_flight.origin(pending.entry)[0]
    kept = _kept_form(pending, result, in_flight)
    proposal, alive = pending.proposal, kept.canonical.liveness
    choice = proposal.choice
    individual = Individual(
        id=number,
        draw=proposal.draw,
        seen=proposal.seen,
        repeat=proposal.repeat,
        era=choice.era,
        parent_id=None if choice.parent is None else choice.parent.id,
        retry_of=choice.retry_of,
        mutation=proposal.child.mutation,
        program=format_program(kept.program),
        hash=kept.canonical.hash,
        proposed_hash=proposal.child.canonical.hash,
        fingerprint=pending.fingerprint,
        outcome=pending.outcome,
        status=status,
        scored_id=scored_id,
        update_scale=kept.scale,
        num_statements=len(alive.statements),
        num_live_statements=alive.num_live_statements,
        num_states=kept.canonical.num_states,
        num_canonical_statements=len(kept.canonical.applications),
    )
    evaluations: list[Evaluation] = []
    if result is not None and pending.outcome in (*TRAINED, Outcome.REUSED):
        others = _others(pending, result, number)
        evaluations = [other for other in others if other.subject != individual.hash]
        evaluations += (Evaluation(Stage.SEARCH, individual.hash, s, number) for s in result.scores)
    return Recorded(individual, kept.program, evaluations)


def _kept_form(pending: Pending, result: JobResult | None, in_flight: InFlight) -> Scaled:
    """The genome that goes on: at the scale that was best when its program was new."""
    child = pending.proposal.child
    if pending.is_new:
        assert result is not None
        return _scale_at(pending, result.chosen)
    scale = in_flight.origin(pending.entry)[1]
    if pending.is_kept or scale == 1.0:
        return Scaled(child.program, child.canonical)
    return scaled(child.program, scale)


def _scale_at(pending: Pending, place: int) -> Scaled:
    """The genome at one of the scales it was trained at."""
    child = pending.proposal.child
    return pending.alternatives[place - 1] if place else Scaled(child.program, child.canonical)


def _others(pending: Pending, result: JobResult, number: int) -> list[Evaluation]:
    """First scores of the update scales that were not kept."""
    return [
        Evaluation(Stage.SEARCH, _scale_at(pending, place).canonical.hash, score, number)
        for place, score in result.others
    ]
