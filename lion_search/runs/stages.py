"""The stages of a run: search, selection, simplification, test, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lion_search.dsl.cost import static_cost
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.liveness import prune
from lion_search.dsl.shown import duration, plural
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.run_jobs import evaluate_baselines, run_jobs
from lion_search.proxy_tasks.scores import FAULTS, Part, Score, Status, describe_failure, first_failure
from lion_search.results.judge import Judge
from lion_search.results.ranking import Ranked, rank
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Stage
from lion_search.runs.climbing import confirm, run_funnel
from lion_search.runs.events import Events
from lion_search.runs.facts import ResumeError
from lion_search.runs.final_test import SIMPLIFIED, WINNER, names_in_tables, test, test_on_last_rung
from lion_search.runs.folder import RESULT_NAME
from lion_search.runs.islands import exchange_of
from lion_search.runs.meta_validating import run_meta_validation, search_by_slices
from lion_search.runs.readability import make_readable
from lion_search.runs.result import Best, RunResult, write_exports, write_result
from lion_search.runs.session import Session
from lion_search.runs.simplify_record import (
    SimplifyRecord,
    path_in_run,
    save,
    test_records,
)
from lion_search.runs.transfer import make_transfer_card
from lion_search.search.driver import Search
from lion_search.search.niches import NICHES
from lion_search.search.progress import Progress
from lion_search.search.replay import ReplayError
from lion_search.search.settings import Budget
from lion_search.selection.comparison import Measurement
from lion_search.selection.finalists import Finalist, choose_winner
from lion_search.selection.funnel import ADAMW, Placing
from lion_search.selection.meta_validation import MetaValidation
from lion_search.simplify.writing.readable import readable

SECONDS_BETWEEN_EVENTS = 15.0


def run_stages(session: Session) -> RunResult:
    """Goes through all stages; each finds in the log what an earlier try has done.

    Raises:
        LionSearchError: nothing found trains on fresh seeds, or the log does not fit the config.
        RunInterruptedError: the user stopped the run.
    """
    progress = search_by_slices(session, lambda budget: _search(session, budget))
    session = session.ending_at_once(progress)
    meta_validation = run_meta_validation(session)
    finalists = _select(session, meta_validation)
    ascent = run_funnel(session, finalists)
    finalists = {niche: ascent.in_order(niche, own) for niche, own in finalists.items()}
    simplified = make_readable(session, finalists)
    readable_forms = {niche: parse(record.simplified) for niche, record in simplified.items()}
    confirmed = confirm(session, ascent, readable_forms)
    rows = test(session, finalists, readable_forms)
    rows += test_on_last_rung(session, ascent, confirmed, is_only=len(finalists) == 1)
    frontier = [
        _best(session, niche, own, simplified[niche], confirmed.get(niche), rows, is_only=len(finalists) == 1)
        for niche, own in finalists.items()
    ]
    result = RunResult(
        folder=session.folder,
        progress=progress,
        judged_by=session.plan.config.judge_settings(),
        frontier=tuple(frontier),
        ascent=ascent,
        test_rows=rows,
        meta_validation=meta_validation,
    )
    result = replace(result, card=make_transfer_card(session, result))
    result = _with_exports(session, result)
    session.enter("finished")
    write_result(result)
    return result


def _search(session: Session, budget: Budget) -> Progress:
    """Searches, from the log's end if there is one already, until the budget is spent."""
    session.enter("search")
    search = _make_search(session, budget)
    try:
        search.replay_log()
    except ReplayError as error:
        raise ResumeError(f"cannot resume '{session.folder}': {error}") from error
    (session.folder / RESULT_NAME).unlink(missing_ok=True)  # an earlier end; the log is sound
    if not session.store.num_individuals():
        _check_start(session)
    log_progress = _EveryNowAndThen(session.events)
    session.audience.report(f"Search: {_limits(budget)}")
    with session.audience.display(session.folder.resolve().name) as show:

        def tell(progress: Progress) -> None:
            show(progress)
            log_progress(progress)

        progress = search.run(should_stop=session.was_stopped, on_progress=tell)
    session.stop_if_asked(progress)
    return progress


def _limits(budget: Budget) -> str:
    """When a search ends."""
    limits = [plural(budget.programs, "program")]
    if budget.evaluations is not None:
        limits.append(f"{budget.evaluations:,} evaluated")
    if budget.minutes is not None:
        limits.append(f"{duration(60 * budget.minutes)} of searching")
    return f"until {' or '.join(limits)}"


def _make_search(session: Session, budget: Budget) -> Search:
    plan, config = session.plan, session.plan.config
    return Search(
        plan.initial,
        config.search_settings(),
        config.search_seed(),
        session.pool,
        session.store,
        samples=plan.samples,
        judge=Judge(_baseline_scores(session), config.judge_settings()),
        budget=budget,
        max_cost=config.limits.cost,
        earlier_scores=plan.earlier,
        exchange=exchange_of(session),
    )


def _check_start(session: Session) -> None:
    """Says before the search if the program that it begins with does not train.

    Raises:
        LionSearchError: tuned AdamW trains here, and this takes too long, too much memory, or raises; or one
            step of it costs more than the limit.
    """
    plan = session.plan
    program, limit = canonicalise(plan.initial).program(), plan.config.limits.cost
    if limit is not None and (cost := static_cost(program)) > limit:
        raise LionSearchError(
            f"the initial program is not trained: a step costs {cost:g} additions for each weight, and "
            f"limits.cost is {limit:g}"
        )
    samples = tuple((task, seed, Part.VALIDATION) for task, seed in plan.samples)
    ((_, scores),) = run_jobs(session.pool, [Job(program, samples)])
    if (failed := first_failure(scores)) is None:
        return
    why = f"the initial program does not train: {describe_failure(failed)}"
    if failed.status in FAULTS:
        raise LionSearchError(why)
    session.audience.report(f"Note: {why}; the search has to find its way from there")


def _baseline_scores(session: Session) -> tuple[Score, ...]:
    """Scores of tuned AdamW on all seeds a program of the search may get, logged once."""
    plan, store = session.plan, session.store
    if logged := store.evaluations(stage=Stage.SEARCH, subject=BASELINE_SUBJECT):
        return tuple(row.score for row in logged)
    session.audience.report("Training tuned AdamW on the seeds of the search, once the workers are ready")
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


def _select(session: Session, meta_validation: MetaValidation | None) -> dict[str, list[Finalist]]:
    """By niche the best of the search on fresh seeds, the winner first; none of a niche where nothing trains.

    Raises:
        LionSearchError: nothing trains there.
    """
    settings, report = session.plan.config.selection, session.audience.report
    session.enter(
        "selection",
        f"Selection: the best {settings.finalists} on {plural(settings.validation_seeds, 'fresh seed')}",
    )
    found = {}
    for niche, ranked in _by_niche(session).items():
        candidates = ranked if meta_validation is None else meta_validation.prefer_late(ranked)
        finalists = choose_winner(
            session.store,
            session.pool,
            candidates=candidates,
            baselines=session.plan.adamw,
            num_finalists=settings.finalists,
            num_seeds=settings.validation_seeds,
            num_tuned=settings.tuned,
            report=report,
        )
        if finalists:
            found[niche] = finalists
        else:
            report(f"{niche}: none of its best programs trains on fresh seeds")
    if not found:
        raise LionSearchError(
            "none of the best programs trains on fresh seeds without failure; why others failed: "
            f"lion-search stats {session.folder}"
        )
    return found


def _by_niche(session: Session) -> dict[str, list[Ranked]]:
    """The programs that the search trained, the best first, by the title of their niche."""
    niches = NICHES[session.plan.config.search.niches]
    found: dict[str, list[Ranked]] = {
        niches.title(number): [] for number in range(niches.count(session.plan.initial))
    }
    for row in rank(session.store, Stage.SEARCH):
        if row.status is Status.OK:
            own = row.individual
            found[niches.title(niches.of(own.num_states, own.num_canonical_statements))].append(row)
    return found


def _best(
    session: Session,
    niche: str,
    finalists: Sequence[Finalist],
    simplified: SimplifyRecord,
    confirmed: Placing | None,
    rows: Sequence[Measurement],
    *,
    is_only: bool,
) -> Best:
    """A niche's part of the result; the record of its simplification is kept, with its test."""
    own = names_in_tables(niche, is_only=is_only)
    tasks = session.plan.problems
    tested = test_records([row for row in rows if row.name in own and row.task in tasks])
    record = simplified.model_copy(update={"test": tested})
    save(record, path_in_run(session.folder, finalists[0].individual.id))
    return Best(niche, tuple(finalists), format_program(prune(finalists[0].program)), record, confirmed)


def _with_exports(session: Session, result: RunResult) -> RunResult:
    """Writes the programs of a result as code, which says what the log's card has of them."""
    is_only = len(result.frontier) == 1
    frontier = tuple(replace(b, exports=_exports(session, b, is_only=is_only)) for b in result.frontier)
    result = replace(result, frontier=frontier)
    if (passed := result.passed(result.best)) is None:
        return result
    programs = {"recommended": passed.entrant.program}
    adamw = {"its last tasks": dict(result.ascent.rungs[-1].baselines[ADAMW].hyperparameters)}
    winner = result.best.winner
    recommended = write_exports(session.folder, session.store, winner, programs, adamw, form=readable)
    return replace(result, recommended=recommended)


def _exports(session: Session, best: Best, *, is_only: bool) -> tuple[Path, ...]:
    """The files of a niche's winner and of what was made of it."""
    suffix, simplified = "" if is_only else "_" + best.niche.replace(" ", "_"), best.simplification
    programs = {WINNER + suffix: parse(best.program), SIMPLIFIED + suffix: parse(simplified.simplified)}
    recognized = {SIMPLIFIED + suffix: simplified.recognized}
    return write_exports(session.folder, session.store, best.winner, programs, recognized=recognized)
