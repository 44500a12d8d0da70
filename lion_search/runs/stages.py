"""The stages of a run: search, selection, simplification, test, export."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.baseline import Record
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.run_jobs import evaluate_baselines
from lion_search.proxy_tasks.scores import Part, Score
from lion_search.results.judge import Judge
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Stage
from lion_search.runs.events import Events
from lion_search.runs.facts import ResumeError
from lion_search.runs.folder import RESULT_NAME
from lion_search.runs.result import RunResult, write_exports, write_result
from lion_search.runs.session import Session
from lion_search.runs.simplify_record import SimplifyRecord, make_record, path_in_run, save
from lion_search.search.driver import Search
from lion_search.search.progress import Progress
from lion_search.search.replay import ReplayError
from lion_search.selection.comparison import Measurement
from lion_search.selection.finalists import Finalist, choose_winner, measure_on_test
from lion_search.simplify.experiments.trainer import Trainer
from lion_search.simplify.experiments.trials import TrialSettings
from lion_search.simplify.simplifier import HowFar, Simplified, limits_within, simplify

SECONDS_BETWEEN_EVENTS = 15.0
SIMPLIFIED = "simplified"
"""What the result of simplification is called in tables and exports."""


def run_stages(session: Session) -> RunResult:
    """Goes through all stages; each finds in the log what an earlier try has done.

    Raises:
        LionSearchError: nothing found trains on fresh seeds, or the log does not fit the config.
        RunInterruptedError: the user stopped the run.
    """
    progress = _search(session)
    finalists = _select(session)
    session.stop_if_asked(progress)
    simplified = _simplify(session, finalists[0])
    session.stop_if_asked(progress)
    rows = _test(session, finalists[0], simplified)
    session.stop_if_asked(progress)
    result = _hand_over(session, progress, finalists, simplified, rows)
    session.enter("finished")
    write_result(result)
    return result


def _search(session: Session) -> Progress:
    """Searches, from the log's end if there is one already, until the budget is spent."""
    session.enter("search")
    search = _make_search(session)
    try:
        search.replay_log()
    except ReplayError as error:
        raise ResumeError(f"cannot resume '{session.folder}': {error}") from error
    (session.folder / RESULT_NAME).unlink(missing_ok=True)  # an earlier end; the log is sound
    log_progress = _EveryNowAndThen(session.events)
    with session.audience.display() as display:

        def tell(progress: Progress) -> None:
            display.show(progress)
            log_progress(progress)

        progress = search.run(should_stop=session.was_stopped, on_progress=tell)
    session.stop_if_asked(progress)
    return progress


def _make_search(session: Session) -> Search:
    plan, config = session.plan, session.plan.config
    return Search(
        plan.initial,
        config.search_settings(),
        config.seed,
        session.pool,
        session.store,
        samples=plan.samples,
        judge=Judge(_baseline_scores(session), config.judge_settings()),
        budget=config.budget,
        max_cost=config.limits.cost,
        earlier_scores=plan.earlier,
    )


def _baseline_scores(session: Session) -> tuple[Score, ...]:
    """Scores of tuned AdamW on all seeds a program of the search may get, logged once."""
    plan, store = session.plan, session.store
    if logged := store.evaluations(stage=Stage.SEARCH, subject=BASELINE_SUBJECT):
        return tuple(row.score for row in logged)
    scores = [
        score
        for task, seeds in plan.most_seeds.items()
        for score in evaluate_baselines(session.pool, {task: plan.adamw[task]}, Part.VALIDATION, seeds)
    ]
    store.append((), [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in scores])
    return tuple(scores)


class _EveryNowAndThen:
    """Writes an event of progress, not too often."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.seconds >= self._next:
            self._next = progress.seconds + SECONDS_BETWEEN_EVENTS
            self._events.write("progress", **_event_fields(progress))


def _event_fields(progress: Progress) -> dict[str, Any]:
    names = (
        *("seconds", "num_programs", "num_evaluated", "num_novel", "hits", "best_id", "best_fitness"),
        *("best_judged", "best_seeds", "median_fitness", "failures", "redundant_share"),
    )
    return {name: getattr(progress, name) for name in names}


def _select(session: Session) -> list[Finalist]:
    """The best of the search on fresh seeds, the winner first.

    Raises:
        LionSearchError: none of them trains there.
    """
    plan, settings = session.plan, session.plan.config.selection
    session.enter(
        "selection", f"Selection: the best {settings.finalists} on {settings.validation_seeds} fresh seeds"
    )
    finalists = choose_winner(
        session.store,
        session.pool,
        baselines=plan.adamw,
        num_finalists=settings.finalists,
        num_seeds=settings.validation_seeds,
    )
    if not finalists:
        raise LionSearchError(
            f"none of the best programs trains on fresh seeds without failure; the log is in {session.folder}"
        )
    return finalists


def _simplify(session: Session, winner: Finalist) -> Simplified:
    """Makes the winner readable, in the time the configuration gives."""
    from lion_search.proxy_tasks.training.recording import recorder  # it imports JAX

    settings = session.plan.config.simplification
    session.enter(
        "simplification", f"Simplification: {settings.how_far}, for at most {settings.minutes:g} minutes"
    )
    deadline = time.monotonic() + 60 * settings.minutes
    trainer = Trainer(
        session.pool,
        tuple(session.plan.problems),
        lambda: session.was_stopped() or time.monotonic() > deadline,
        record=recorder([*session.plan.problems.values()]),
    )
    return simplify(
        parse(winner.individual.program),
        trainer,
        how_far=HowFar(settings.how_far),
        settings=TrialSettings(margin=settings.margin),
        limits=limits_within(settings.minutes),
        report=session.audience.report,
    )


def _test(session: Session, winner: Finalist, simplified: Simplified) -> tuple[Measurement, ...]:
    """The winner, what was made of it, and its rivals on the test part of all tasks."""
    plan, num_seeds = session.plan, session.plan.config.selection.test_seeds
    session.enter("test", f"Test: the winner beside its rivals on {num_seeds} other seeds, test part")
    start: dict[str, Subject] = {"untuned start": canonicalise(plan.initial).program()}
    changed = functional_hash(simplified.after) != winner.individual.hash
    return tuple(
        row
        for task, record in plan.records.items()
        for row in measure_on_test(
            session.store,
            session.pool,
            winner=winner,
            programs={SIMPLIFIED: simplified.after} if changed else {},
            others={**_tuned(record), **start},
            task=task,
            num_seeds=num_seeds,
        )
    )


def _tuned(record: Record) -> dict[str, Subject]:
    return {f"tuned {name}": baseline for name, baseline in record.baselines.items()}


def _hand_over(
    session: Session,
    progress: Progress,
    finalists: Sequence[Finalist],
    simplified: Simplified,
    rows: tuple[Measurement, ...],
) -> RunResult:
    """Writes everything but the result's own file: the record of the simplification and the exports."""
    winner, pruned = finalists[0], simplified.pruned
    assert functional_hash(pruned) == winner.individual.hash
    record = _record(session, winner, simplified, rows)
    exports = write_exports(session.folder, winner, {"winner": pruned, SIMPLIFIED: simplified.after})
    judged_by = session.plan.config.judge_settings()
    return RunResult(
        session.folder, progress, judged_by, tuple(finalists), rows, record, format_program(pruned), exports
    )


def _record(
    session: Session, winner: Finalist, simplified: Simplified, rows: Sequence[Measurement]
) -> SimplifyRecord:
    """Makes the record of the winner's simplification, and keeps it in the run's folder."""
    config, folder = session.plan.config, session.folder
    record = make_record(
        f"{folder}:{winner.individual.id}",
        simplified,
        tuple(session.plan.problems) if config.simplification.how_far == "experiments" else (),
        TrialSettings(margin=config.simplification.margin),
        [row for row in rows if row.name in ("winner", SIMPLIFIED)],
        is_recognized=config.simplification.how_far != "redundancy",
    )
    save(record, path_in_run(folder, winner.individual.id))
    return record
