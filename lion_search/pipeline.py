"""A run from config to export: search, selection, test, simplification, export; begun or resumed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.config import Config, load_config, to_yaml
from lion_search.display import Display
from lion_search.dsl.canonical import canonicalise, functional_hash
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.facts import ResumeError, check_same_tasks, check_unchanged, run_facts
from lion_search.outcome import RunResult, write_exports, write_result
from lion_search.preflight import check_tasks, find_baselines, set_environment
from lion_search.proxy_tasks.baseline import Baseline, Record
from lion_search.proxy_tasks.batch import evaluate_baselines
from lion_search.proxy_tasks.pool import Pool
from lion_search.proxy_tasks.scores import Part, Score
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.worker import Subject
from lion_search.references import find_initial, find_run
from lion_search.results.judge import Judge
from lion_search.results.records import BASELINE_SUBJECT, PHASE_FACT, Evaluation, Stage
from lion_search.results.store import Store, absolute_url
from lion_search.reuse import earlier_scores
from lion_search.run_folder import (
    CONFIG_NAME,
    DATABASE_NAME,
    DATABASE_URL_NAME,
    RESULT_NAME,
    Events,
    choose_folder,
    database_of,
    lock,
    make_folder,
    write_file,
)
from lion_search.search.driver import ReplayError, Search
from lion_search.search.progress import Progress
from lion_search.selection.finalists import choose_winner, measure_on_test
from lion_search.simplify.redundancy import remove_redundant
from lion_search.workers import make_pool

if TYPE_CHECKING:
    from lion_search.proxy_tasks.prepare import FlatProblem

Report = Callable[[str], None]
SECONDS_BETWEEN_EVENTS = 15.0


class RunInterruptedError(Exception):
    """The user stopped the run; everything evaluated is in the log."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.progress = progress


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a run is made of, checked and found before anything is written or started.

    Attributes:
        config: the whole configuration.
        initial: the program everything begins with.
        problems: of the tasks, the cheapest first.
        records: the tasks' baselines.
        earlier: scores of earlier runs.
        reused: how many individuals of each earlier run.
    """

    config: Config
    initial: Program
    problems: Mapping[str, FlatProblem]
    records: Mapping[str, Record]
    earlier: Mapping[str, tuple[Score, ...]]
    reused: Mapping[str, int]

    @property
    def adamw(self) -> dict[str, Baseline]:
        """Tuned AdamW for each task."""
        return {task: record.baselines["adamw"] for task, record in self.records.items()}

    def facts(self) -> dict[str, Any]:
        """What is recorded of it."""
        return run_facts(self.config, self.initial, self.problems, self.records, self.reused)


@dataclass(frozen=True, slots=True)
class _Session:
    """A run under way: its folder, log, workers, and whom it tells.

    Attributes:
        was_stopped: whether the user asked to stop.
    """

    plan: _Plan
    folder: Path
    store: Store
    pool: Pool
    display: Callable[[], Display]
    report: Report
    events: Events
    was_stopped: Callable[[], bool]

    def enter(self, phase: str, line: str) -> None:
        """Says and records that a phase begins."""
        self.store.append((), (), {PHASE_FACT: phase})
        self.events.write("phase", phase=phase)
        if line:
            self.report(line)


def run(
    config: Config, name: str, out: Path | None, display: Callable[[], Display], report: Report
) -> RunResult:
    """Runs everything.

    Args:
        config: the checked configuration.
        name: of the configuration; names the run folder if ``out`` is not given.
        out: the run folder; must not exist or be empty.
        display: makes the display of the search.
        report: is told, in a line, what happens next.

    Raises:
        LionSearchError: something in the config or the folder cannot be used.
        RunInterruptedError: the user stopped the run.
    """
    config.search_settings()  # loads the user's own functions, which the initial program may use
    plan = _make_plan(config, find_initial(config.initial, config.warm_start), {}, report)
    folder = choose_folder(name, out)
    url = None if config.database is None else absolute_url(config.database)
    # A database elsewhere is made before the folder: it is what a person may have got wrong.
    store = None if url is None else Store.create(url, plan.facts())
    make_folder(folder)
    with lock(folder):
        if url is not None:
            write_file(folder / DATABASE_URL_NAME, f"{url}\n")
        store = store or Store.create(folder / DATABASE_NAME, plan.facts())
        write_file(folder / CONFIG_NAME, to_yaml(config))
        report(f"Run folder: {folder}")
        return _drive(plan, folder, store, display, report)


def resume(
    run_reference: str, overrides: Sequence[str], display: Callable[[], Display], report: Report
) -> RunResult:
    """Goes on with a run from its log: what was killed, stopped, or ended with a smaller budget.

    Args:
        run_reference: the run folder, or a name under ``runs/``.
        overrides: ``key.path=value`` each, of what may change.
        display: makes the display of the search.
        report: is told, in a line, what happens next.

    Raises:
        LionSearchError: another process drives it; its config, tasks or semantics are not those of its log;
            or its database cannot be written.
        RunInterruptedError: the user stopped the run.
    """
    folder = find_run(run_reference)
    config = load_config(str(folder / CONFIG_NAME), overrides)
    with lock(folder):
        reader = Store.open(database_of(folder))
        facts = reader.run_facts()
        reader.close()
        check_unchanged(config, facts, folder)
        config.search_settings()
        plan = _make_plan(config, parse(facts["initial_program"]), facts["reused"], report)
        check_same_tasks(plan.problems, plan.records, facts, folder, report)
        store = Store.reopen(database_of(folder))
        store.append((), (), {"config": config.model_dump()})
        write_file(folder / CONFIG_NAME, to_yaml(config))
        report(f"Resuming {folder}: {store.num_individuals():,} programs in its log")
        return _drive(plan, folder, store, display, report)


def _make_plan(config: Config, initial: Program, sizes: Mapping[str, int], report: Report) -> _Plan:
    set_environment(config.workers)
    problems = check_tasks([task.name for task in config.tasks], config.limits.memory_gb)
    records = find_baselines(problems, report)
    order = sorted(problems, key=lambda name: _work(problems[name]))  # a hurdle is on the cheapest
    problems = {name: problems[name] for name in order}
    samples = _samples(config, problems)
    earlier, reused = earlier_scores(config.reuse, problems, samples, sizes)
    if reused:
        report(f"Reusing the scores of {len(earlier):,} programs of {', '.join(reused)}")
    return _Plan(config, initial, problems, {name: records[name] for name in order}, earlier, reused)


def _work(problem: FlatProblem) -> int:
    """Roughly what a training costs: weights times examples."""
    return problem.task.num_steps * problem.task.batch_size * problem.layout.size


def _seeds(config: Config, problems: Mapping[str, FlatProblem], *, most: bool) -> dict[str, int]:
    """On how many seeds of each task programs are trained, at first or at most, in the problems' order."""
    tasks = {find_task(task.name).name: task for task in config.tasks}
    return {name: config.most_seeds(tasks[name]) if most else tasks[name].seeds for name in problems}


def _samples(config: Config, problems: Mapping[str, FlatProblem]) -> list[tuple[str, int]]:
    seeds = _seeds(config, problems, most=False)
    return [(name, seed) for name, count in seeds.items() for seed in Stage.SEARCH.seeds(count)]


def _drive(
    plan: _Plan, folder: Path, store: Store, display: Callable[[], Display], report: Report
) -> RunResult:
    events = Events(folder, report)
    events.write("started", programs=store.num_individuals(), workers=plan.config.workers)
    try:
        with _stopping_signals(report) as was_stopped:
            pool = _make_pool(plan.config, list(plan.problems), report)
            try:
                session = _Session(plan, folder, store, pool, display, report, events, was_stopped)
                result = _stages(session)
            finally:
                pool.close()
    except RunInterruptedError as stop:
        events.write("stopped", programs=stop.progress.num_programs)
        raise
    except BaseException as error:
        events.write("failed", error=f"{type(error).__name__}: {error}"[:1000])
        raise
    finally:
        store.close()
    events.write("finished", winner=result.finalists[0].individual.id)
    return result


def _stages(session: _Session) -> RunResult:
    plan, folder, store, pool = session.plan, session.folder, session.store, session.pool
    progress = _search(session)
    settings = plan.config.selection
    session.enter(
        "selection", f"Selection: the best {settings.finalists} on {settings.validation_seeds} fresh seeds"
    )
    finalists = choose_winner(
        store,
        pool,
        baselines=plan.adamw,
        num_finalists=settings.finalists,
        num_seeds=settings.validation_seeds,
    )
    if not finalists:
        raise LionSearchError(
            f"none of the best programs trains on fresh seeds without failure; the log is in {folder}"
        )
    _stop_if_asked(session, progress)
    session.enter(
        "test", f"Test: the winner beside its rivals on {settings.test_seeds} other seeds, test part"
    )
    start: dict[str, Subject] = {"untuned start": canonicalise(plan.initial).program()}
    rows = [
        row
        for task, record in plan.records.items()
        for row in measure_on_test(
            store,
            pool,
            winner=finalists[0],
            others={**_tuned(record), **start},
            task=task,
            num_seeds=settings.test_seeds,
        )
    ]
    _stop_if_asked(session, progress)
    simplification = remove_redundant(parse(finalists[0].individual.program))
    assert functional_hash(simplification.after) == finalists[0].individual.hash
    exports = write_exports(folder, finalists[0], simplification)
    judged_by = plan.config.judge_settings()
    result = RunResult(folder, progress, judged_by, tuple(finalists), tuple(rows), simplification, exports)
    session.enter("finished", "")
    write_result(result)
    return result


def _search(session: _Session) -> Progress:
    """Searches, from the log's end if there is one already, until the budget is spent."""
    plan, store = session.plan, session.store
    session.enter("search", "")
    judge = Judge(_baseline_scores(session), plan.config.judge_settings())
    search = Search(
        plan.initial,
        plan.config.search_settings(),
        plan.config.seed,
        session.pool,
        store,
        samples=_samples(plan.config, plan.problems),
        judge=judge,
        budget=plan.config.search_budget(),
        max_cost=plan.config.limits.cost,
        earlier_scores=plan.earlier,
    )
    try:
        search.replay_log()
    except ReplayError as error:
        raise ResumeError(f"cannot resume '{session.folder}': {error}") from error
    (session.folder / RESULT_NAME).unlink(missing_ok=True)  # an earlier end; the log is sound
    on_progress = _EveryNowAndThen(session.events)
    with session.display() as shown:

        def show(progress: Progress) -> None:
            shown.show(progress)
            on_progress(progress)

        progress = search.run(should_stop=session.was_stopped, on_progress=show)
    _stop_if_asked(session, progress)
    return progress


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


def _stop_if_asked(session: _Session, progress: Progress) -> None:
    if session.was_stopped():
        raise RunInterruptedError(session.folder, progress)


def _baseline_scores(session: _Session) -> tuple[Score, ...]:
    """Scores of tuned AdamW on all seeds a program of the search may get, logged once."""
    plan, store = session.plan, session.store
    if logged := store.evaluations(stage=Stage.SEARCH, subject=BASELINE_SUBJECT):
        return tuple(row.score for row in logged)
    scores = [
        score
        for task, count in _seeds(plan.config, plan.problems, most=True).items()
        for score in evaluate_baselines(
            session.pool, {task: plan.adamw[task]}, Part.VALIDATION, Stage.SEARCH.seeds(count)
        )
    ]
    store.append((), [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in scores])
    return tuple(scores)


def _tuned(record: Record) -> dict[str, Subject]:
    return {f"tuned {name}": baseline for name, baseline in record.baselines.items()}


def _make_pool(config: Config, tasks: Sequence[str], report: Report) -> Pool:
    return make_pool(
        tasks,
        workers=config.workers,
        mode=None if config.mode == "auto" else config.mode,
        own_functions=config.own_functions(),
        limits=config.pool_limits(),
        gpus_per_worker=config.gpus_per_worker,
        report=report,
    )


@contextmanager
def _stopping_signals(report: Report) -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a request to stop; a second one acts as usual."""
    received: list[int] = []

    def on_signal(previous: Any, number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, previous)
        report("Stopping: waiting for what is being evaluated ...")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, partial(on_signal, before[number]))
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
