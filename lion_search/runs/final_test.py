"""The last stage but one of a run: what it found, beside its rivals, on data that nothing has seen yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural
from lion_search.proxy_tasks.jobs import Subject
from lion_search.runs.climbing import Ascent, tuned_on_rungs
from lion_search.runs.session import Session
from lion_search.runs.training_curves import record_curves
from lion_search.selection.comparison import Measurement
from lion_search.selection.finalists import Finalist, measure_on_test
from lion_search.selection.funnel import Placing

WINNER, SIMPLIFIED = "winner", "simplified"
"""What the winner and the result of its simplification are called in tables and exports."""
WELL_KNOWN = ("adamw", "lion")
"""Stand beside what passed the funnel on the last rung, also where it need not beat them."""


def names_in_tables(niche: str, *, is_only: bool) -> tuple[str, str]:
    """What a niche's winner and its simplified form are called."""
    return (WINNER, SIMPLIFIED) if is_only else (niche, f"{niche}, {SIMPLIFIED}")


def test(
    session: Session, finalists: Mapping[str, Sequence[Finalist]], simplified: Mapping[str, Program]
) -> tuple[Measurement, ...]:
    """The winners, what was made of them, and their rivals on the test part of the search's tasks."""
    plan, num_seeds = session.plan, session.plan.config.selection.test_seeds
    seeds = plural(num_seeds, "other seed")
    session.enter("test", f"Test: the winner beside its rivals on {seeds}, test part")
    programs: dict[str, Program] = {}
    for niche, (winner, *_) in finalists.items():
        name, simplified_name = names_in_tables(niche, is_only=len(finalists) == 1)
        programs[name] = winner.program
        if functional_hash(simplified[niche]) != functional_hash(winner.program):
            programs[simplified_name] = simplified[niche]
    start: dict[str, Subject] = {"the start": canonicalise(plan.initial).program()}
    ids = {f.individual.hash: f.individual.id for f, *_ in finalists.values()}
    others = {task: {**_tuned(record.baselines), **start} for task, record in plan.records.items()}
    rows = tuple(
        row for task, own in others.items() for row in _measure(session, programs, own, task, num_seeds, ids)
    )
    forms = {name: canonicalise(program).program() for name, program in programs.items()}
    subjects = {task: {**forms, **own} for task, own in others.items()}
    record_curves(session.store, session.pool, subjects, num_seeds)
    return rows


def test_on_last_rung(
    session: Session, ascent: Ascent, confirmed: Mapping[str, Placing], *, is_only: bool
) -> tuple[Measurement, ...]:
    """What passed the funnel, its rivals there and the well-known, on the test part of the last rung.

    All have the constants that were tuned on that rung. So a simplified form that came less far is left out.
    """
    programs: dict[str, Program] = {}
    ids: dict[str, int] = {}
    for niche in ascent.niches:
        if (placing := ascent.through(niche)) is None:
            continue
        name, simplified_name = names_in_tables(niche, is_only=is_only)
        programs[name] = placing.entrant.program
        ids[functional_hash(programs[name])] = placing.entrant.individual.id
        if niche in confirmed and confirmed[niche].has_passed:
            programs[simplified_name] = confirmed[niche].entrant.program
    if not programs:
        return ()
    last = ascent.rungs[-1]
    others = dict(last.baselines)
    if missing := [name for name in WELL_KNOWN if name not in others]:
        session.audience.report(f"Tuning {', '.join(missing)} on the rungs, to stand beside")
    for name in missing:
        if (found := tuned_on_rungs(session, name)) is not None:
            others[name] = found
    return tuple(
        row
        for task in last.settings.tasks
        for row in _measure(session, programs, _tuned(others), task, last.settings.seeds, ids, by_name=False)
    )


def _tuned(baselines: Mapping[str, Subject]) -> dict[str, Subject]:
    return {f"tuned {name}": baseline for name, baseline in baselines.items()}


def _measure(
    session: Session,
    programs: Mapping[str, Program],
    others: Mapping[str, Subject],
    task: str,
    num_seeds: int,
    ids: Mapping[str, int],
    *,
    by_name: bool = True,
) -> list[Measurement]:
    return measure_on_test(
        session.store,
        session.pool,
        programs=programs,
        others=others,
        task=task,
        num_seeds=num_seeds,
        individual_ids=ids,
        by_name=by_name,
    )
