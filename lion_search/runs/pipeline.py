"""A run is begun, or resumed from its log, and driven to its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from lion_search.config import Config, load_config, to_yaml
from lion_search.dsl.shown import plural
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.store import Store
from lion_search.runs.audience import Audience, Report
from lion_search.runs.claim import claimed
from lion_search.runs.events import Events
from lion_search.runs.facts import check_same_tasks, check_unchanged
from lion_search.runs.folder import (
    CONFIG_NAME,
    DATABASE_NAME,
    DATABASE_URL_NAME,
    choose_folder,
    database_of,
    make_folder,
    write_file,
)
from lion_search.runs.islands import check_same_study
from lion_search.runs.lock import lock
from lion_search.runs.own_code import find_own_code, load_own_functions
from lion_search.runs.plan import Plan, make_plan
from lion_search.runs.references import find_initial, find_run
from lion_search.runs.result import RunResult
from lion_search.runs.session import Session
from lion_search.runs.stages import run_stages
from lion_search.runs.stopping import RunInterruptedError, stopping_signals
from lion_search.runs.workers import make_pool
from lion_search.search.schedule import schedule_outside


def run(config: Config, name: str, out: Path | None, audience: Audience) -> RunResult:
    """Runs everything.

    Args:
        config: the checked configuration.
        name: of the configuration; names the run folder if ``out`` is not given.
        out: the run folder; must not exist or be empty.
        audience: is told what happens.

    Raises:
        LionSearchError: something in the config or the folder cannot be used.
        RunInterruptedError: the user stopped the run.
    """
    config.search_settings()  # loads the user's own functions, which the initial program may use
    initial = find_initial(config.initial, config.warm_start, config.tasks[0].name)
    if config.search.schedule == "outside":
        initial = schedule_outside(initial)
    plan = make_plan(config, initial, {}, audience.report)
    folder = choose_folder(name, out)
    url = config.log_url()
    check_same_study(plan, url)
    # A log elsewhere is made before all else, its lock included: it is what a person may have got wrong.
    store = None if url is None else Store.create(url, plan.facts())
    with claimed(url) as renew:
        make_folder(folder)
        with lock(folder):
            if url is not None:
                write_file(folder / DATABASE_URL_NAME, f"{url}\n")
            store = store or Store.create(folder / DATABASE_NAME, plan.facts())
            store.before_append = renew
            write_file(folder / CONFIG_NAME, to_yaml(config))
            audience.report(f"Run folder: {folder}")
            return _drive(plan, folder, store, audience)


def resume(
    run_reference: str, overrides: Sequence[str], audience: Audience, *, ends_search: bool = False
) -> RunResult:
    """Goes on with a run from its log: what was killed, stopped, or ended with a smaller budget.

    Args:
        run_reference: the run folder, or a name under ``runs/``.
        overrides: ``key.path=value`` each, of what may change.
        audience: is told what happens.
        ends_search: whether the search ends with what is in its log.

    Raises:
        LionSearchError: another process drives it; its config, tasks or semantics are not those of its log;
            or its database cannot be written.
        RunInterruptedError: the user stopped the run.
    """
    folder = find_run(run_reference)
    where = database_of(folder)
    with lock(folder), claimed(where if isinstance(where, str) else None) as renew:
        with closing(Store.open(where)) as reader:
            facts = reader.run_facts()
            if ends_search:
                overrides = [*overrides, f"budget.programs={max(1, reader.num_individuals())}"]
        find_own_code(facts)
        config = load_config(str(folder / CONFIG_NAME), overrides)
        check_unchanged(config, facts, folder)
        load_own_functions(folder, facts, is_resumed=True)
        plan = make_plan(config, parse(facts["initial_program"]), facts["reused"], audience.report)
        check_same_tasks(plan.problems, plan.records, facts, folder, audience.report)
        store = Store.reopen(where)
        store.before_append = renew
        store.append((), (), {"config": config.model_dump()})
        write_file(folder / CONFIG_NAME, to_yaml(config))
        audience.report(f"Resuming {folder}: {plural(store.num_individuals(), 'program')} in its log")
        return _drive(plan, folder, store, audience)


def _drive(plan: Plan, folder: Path, store: Store, audience: Audience) -> RunResult:
    events = Events(folder, audience.report)
    events.write("started", programs=store.num_individuals(), workers=plan.config.workers)
    try:
        with (
            closing(store),
            stopping_signals(audience.report) as was_stopped,
            closing(_make_pool(plan.config, list(plan.problems), audience.report)) as pool,
        ):
            result = run_stages(Session(plan, folder, store, pool, audience, events, was_stopped))
    except RunInterruptedError as stop:
        events.write("stopped", programs=stop.progress.num_programs)
        raise
    except BaseException as error:
        events.write("failed", error=f"{type(error).__name__}: {error}"[:1000])
        raise
    events.write("finished", winner=result.best.winner.individual.id)
    return result


def _make_pool(config: Config, tasks: Sequence[str], report: Report) -> Pool:
    return make_pool(
        tasks,
        workers=config.workers,
        mode=None if config.mode == "auto" else config.mode,
        limits=config.pool_limits(),
        address=config.ray_address,
        resources=config.worker_resources(),
        report=report,
    )
