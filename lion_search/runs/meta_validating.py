"""The stage of a run that trains the best of each slice of its search on larger tasks."""

from __future__ import annotations

from collections.abc import Callable

from lion_search.dsl.shown import plural, with_error
from lion_search.results.curves import best_of_slices
from lion_search.runs.session import Session
from lion_search.search.progress import Progress
from lion_search.search.settings import Budget
from lion_search.selection.meta_validation import MetaValidation, Slice, meta_validate


def search_by_slices(session: Session, search: Callable[[Budget], Progress]) -> Progress:
    """Searches within the config's budget; where the config says so, until the larger tasks say to stop.

    Args:
        session: of the run.
        search: goes on within a budget, from the log's end.
    """
    settings, budget = session.plan.config.meta_validation, session.plan.config.budget
    if settings is None or not settings.stop:
        return search(budget)
    number = max(1, session.store.num_individuals() // settings.every) * settings.every
    while number < budget.programs:
        progress = search(budget.model_copy(update={"programs": number}))
        if progress.num_programs < number:  # by another limit
            return progress
        found = run_meta_validation(session.ending_at_once(progress))
        if found is not None and found.parted_after is not None:
            session.audience.report(f"The search ends: {told(found)}")
            return progress
        number += settings.every
    return search(budget)


def run_meta_validation(session: Session) -> MetaValidation | None:
    """Trains the best of each slice that there is; ``None`` where the config asks for none."""
    settings = session.plan.config.meta_validation
    if settings is None:
        return None
    points = best_of_slices(session.store, settings.every)
    repeats = session.plan.config.search.repeats
    each = range(repeats) if repeats > 1 else ()
    of_repeats = [best_of_slices(session.store, settings.every, own) for own in each]
    session.enter(
        "meta-validation",
        f"Meta-validation: the best of {plural(len(points), 'slice')} on {', '.join(settings.tasks)}",
    )
    return meta_validate(
        session.store, session.pool, points, of_repeats, session.plan.meta_validation, settings.seeds
    )


def told(found: MetaValidation) -> str:
    """Where fitness and meta-validation part, in a sentence."""
    each = ", ".join(
        f"{number} {'never' if after is None else f'after {after:,}'}"
        for number, after in enumerate(found.repeats)
    )
    return _told_of_all(found) + (f"; repeats part: {each}" if each else "")


def _told_of_all(found: MetaValidation) -> str:
    tasks = ", ".join(found.tasks)
    if not found.slices:
        return f"no slice has a best to train on {tasks}"
    last = found.slices[-1]
    if found.parted_after is None or found.lead is None:
        best = max(found.slices, key=lambda own: own.fitness)
        highest = "" if best.best_id == last.best_id else f"; the highest mean there has {_named(best)}"
        return (
            f"fitness and meta-validation do not part: on {tasks} no earlier best is shown to be ahead of "
            f"the last one, {_named(last)}{highest}"
        )
    by = with_error(found.lead.mean, found.lead.standard_error, "+")
    return (
        f"fitness and meta-validation part after {plural(found.parted_after, 'program')}: on {tasks} the "
        f"best of then is ahead of the best after {last.num_programs:,} by {by}"
    )


def _named(own: Slice) -> str:
    return f"{own.best_id} ({with_error(own.fitness, own.standard_error, '+')})"
