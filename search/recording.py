"""From a pending individual and its scores to the records of the log."""

from __future__ import annotations

from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import Canonical, canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.jobs import JobResult
from lion_search.proxy_tasks.scores import overall_status
from lion_search.results.records import TRAINED, Evaluation, Individual, Outcome, Stage
from lion_search.search.lookup import Pending


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


def record(pending: Pending, number: int, update_scales: tuple[float, ...]) -> Recorded:
    """The records of an individual whose scores are there.

    Args:
        pending: the individual.
        number: its place in the log; the entry that was made for it is called by it from now on.
        update_scales: those of the search.
    """
    result, entry, choice = pending.training.result, pending.entry, pending.proposal.choice
    assert result is not None
    if pending.is_first:
        entry.id = number
        entry.scale = update_scales[result.chosen]
    program, canonical, scale = _kept_form(pending)
    alive = canonical.liveness
    individual = Individual(
        id=number,
        draw=choice.draw,
        repeat=choice.repeat,
        era=choice.era,
        parent_id=None if choice.parent is None else choice.parent.id,
        mutation=pending.proposal.mutation,
        program=format_program(program),
        hash=canonical.hash,
        proposed_hash=pending.proposal.canonical.hash,
        fingerprint=pending.fingerprint,
        outcome=pending.outcome,
        status=overall_status(result.scores),
        scored_id=entry.id,
        update_scale=scale,
        num_statements=len(alive.statements),
        num_live_statements=alive.num_live_statements,
        num_states=canonical.num_states,
        num_canonical_statements=len(canonical.applications),
    )
    evaluations: list[Evaluation] = []
    if pending.outcome in (*TRAINED, Outcome.REUSED):
        others = _others(pending.proposal.program, result, update_scales, number)
        evaluations = [other for other in others if other.subject != individual.hash]
        evaluations += (Evaluation(Stage.SEARCH, individual.hash, s, number) for s in result.scores)
    return Recorded(individual, program, evaluations)


def _kept_form(pending: Pending) -> tuple[Program, Canonical, float]:
    """The genome that goes on, its canonical form, and by what it was scaled."""
    proposal, scale = pending.proposal, pending.entry.scale
    if pending.is_kept or scale == 1.0:
        return proposal.program, proposal.canonical, 1.0
    program = scale_update(proposal.program, scale)
    return program, canonicalise(program), scale


def _others(
    program: Program, result: JobResult, update_scales: tuple[float, ...], number: int
) -> list[Evaluation]:
    """First scores of the update scales that were not kept."""
    return [
        Evaluation(Stage.SEARCH, functional_hash(scale_update(program, update_scales[place])), score, number)
        for place, score in result.others
    ]
