"""A run from config to export: search, selection, test, simplification, export; begun or resumed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.config import Config, load_config, to_yaml
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.store import Store, absolute_url
from lion_search.runs.display import Display
from lion_search.runs.facts import check_same_tasks, check_unchanged
from lion_search.runs.folder import (
    CONFIG_NAME,
    DATABASE_NAME,
    DATABASE_URL_NAME,
    Events,
    choose_folder,
    database_of,
    lock,
    make_folder,
    write_file,
)
from lion_search.runs.preflight import check_tasks, find_baselines, set_environment
from lion_search.runs.references import find_initial, find_run
from lion_search.runs.result import RunResult
from lion_search.runs.reuse import earlier_scores
from lion_search.runs.session import Plan, RunInterruptedError, Session, samples
from lion_search.runs.stages import run_stages
from lion_search.runs.workers import make_pool

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem

Report = Callable[[str], None]


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


def _make_plan(config: Config, initial: Program, sizes: Mapping[str, int], report: Report) -> Plan:
    set_environment(config.workers)
    problems = check_tasks([task.name for task in config.tasks], config.limits.memory_gb)
    records = find_baselines(problems, report)
    order = sorted(problems, key=lambda name: _work(problems[name]))  # a hurdle is on the cheapest
    problems = {name: problems[name] for name in order}
    earlier, reused = earlier_scores(config.reuse, problems, samples(config, problems), sizes)
    if reused:
        report(f"Reusing the scores of {len(earlier):,} programs of {', '.join(reused)}")
    return Plan(config, initial, problems, {name: records[name] for name in order}, earlier, reused)


def _work(problem: FlatProblem) -> int:
    """Roughly what a training costs: weights times examples."""
    return problem.task.num_steps * problem.task.batch_size * problem.layout.size


def _drive(
    plan: Plan, folder: Path, store: Store, display: Callable[[], Display], report: Report
) -> RunResult:
    events = Events(folder, report)
    events.write("started", programs=store.num_individuals(), workers=plan.config.workers)
    try:
        with _stopping_signals(report) as was_stopped:
            pool = _make_pool(plan.config, list(plan.problems), report)
            try:
                session = Session(plan, folder, store, pool, display, report, events, was_stopped)
                result = run_stages(session)
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
