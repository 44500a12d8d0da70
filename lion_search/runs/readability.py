"""The stage of a run in which the winners of its niches are made readable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.shown import duration
from lion_search.dsl.text import format_program
from lion_search.runs.facts import versions
from lion_search.runs.session import Session
from lion_search.runs.simplify_record import RecordError, SimplifyRecord, load, make_record, path_in_run, save
from lion_search.selection.finalists import Finalist
from lion_search.simplify.experiments.trainer import Trainer
from lion_search.simplify.experiments.trials import TrialSettings
from lion_search.simplify.simplifier import HowFar, limits_within, simplify


def make_readable(session: Session, finalists: Mapping[str, Sequence[Finalist]]) -> dict[str, SimplifyRecord]:
    """Makes the winners readable, in the time the configuration gives, which is shared out evenly.

    What an earlier try has made readable stays as it is.
    """
    from lion_search.proxy_tasks.training.recording import recorder  # it imports JAX

    settings = session.plan.config.simplification
    session.enter(
        "simplification", f"Simplification: {settings.how_far}, for at most {duration(60 * settings.minutes)}"
    )
    end = awake_seconds() + 60 * settings.minutes
    problems = session.plan.problems
    record = recorder([*problems.values()])
    trainer = Trainer(session.pool, tuple(problems), record=record)
    found = {}
    for place, (niche, (winner, *_)) in enumerate(finalists.items()):
        seconds = max(1.0, end - awake_seconds()) / (len(finalists) - place)
        if len(finalists) > 1:
            session.audience.report(f"The best with {niche}, {winner.individual.id}:")
        found[niche] = _simplified_before(session, winner) or _simplify_one(session, winner, seconds, trainer)
    return found


def _simplified_before(session: Session, winner: Finalist) -> SimplifyRecord | None:
    """The record of an earlier try; ``None`` if there is none, or it was made otherwise."""
    try:
        record = load(f"{session.folder}:{winner.individual.id}")
    except RecordError:
        return None
    new = _record_settings(session)
    is_same = record.program == format_program(winner.program) and record.versions == versions()
    return record if is_same and all(getattr(record, k) == v for k, v in new.items()) else None


def _record_settings(session: Session) -> dict[str, Any]:
    """What of the configuration a record says."""
    settings, tasks = session.plan.config.simplification, tuple(session.plan.problems)
    return {
        "tasks": tasks if settings.how_far == "experiments" else (),
        "settings": TrialSettings(margin=settings.margin),
        "minutes": settings.minutes,
    }


def _simplify_one(session: Session, winner: Finalist, seconds: float, trainer: Trainer) -> SimplifyRecord:
    """Simplifies a winner and keeps the record in the run's folder."""
    settings, deadline = session.plan.config.simplification, awake_seconds() + seconds
    trainer = replace(trainer, should_stop=lambda: awake_seconds() > deadline)
    found = simplify(
        winner.program,
        trainer,
        how_far=HowFar(settings.how_far),
        settings=TrialSettings(margin=settings.margin),
        limits=limits_within(seconds / 60),
        report=session.audience.report,
    )
    record = make_record(
        f"{session.folder}:{winner.individual.id}",
        found,
        **_record_settings(session),
        is_recognized=settings.how_far != "redundancy",
    )
    save(record, path_in_run(session.folder, winner.individual.id))
    return record
