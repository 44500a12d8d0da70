"""Tuned baselines of tasks: ``lion-search baseline``, and before a run those that its tasks lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lion_search.config import Config
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import duration
from lion_search.proxy_tasks.baseline import (
    BASELINES_FOLDER,
    FAMILIES,
    Baseline,
    file_name,
    has_baselines,
    load_baselines,
    to_json,
)
from lion_search.proxy_tasks.scores import Part, Score, check_ratio
from lion_search.proxy_tasks.tasks import TaskError, find_task
from lion_search.proxy_tasks.tuning import EFFORT, NUM_TRAININGS, TUNING_SEEDS, Train, Tuned, tune
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.runs import pipeline
from lion_search.runs.audience import Audience, Report
from lion_search.runs.facts import versions
from lion_search.runs.folder import check_new, choose_folder, write_new
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.result import RunResult
from lion_search.runs.stopping import WorkInterruptedError
from lion_search.runs.workers import make_pool
from lion_search.selection.logged import train_logged


def run(config: Config, name: str, out: Path | None, audience: Audience) -> RunResult:
    """Runs everything, as `pipeline.run`; first the baselines are tuned that its tasks do not have.

    Raises:
        LionSearchError: something in the config or the folder cannot be used.
        RunInterruptedError: the user stopped the run.
        WorkInterruptedError: the user stopped it while baselines were tuned.
    """
    choose_folder(name, out)  # which says at once if it cannot be used
    set_environment(config.workers)
    for task in config.tasks:
        if _lacks_baselines(task.name, audience.report):
            done = tune_baselines(
                task.name, None, workers=config.workers, address=config.ray_address, report=audience.report
            )
            audience.report(f"Wrote {done.path}")
    return pipeline.run(config, name, out, audience)


def _lacks_baselines(reference: str, report: Report) -> bool:
    """Whether a task has none; a task in a cell that has changed loses those it had."""
    name = find_task(reference).name
    load_baselines.cache_clear()
    if not has_baselines(name):
        report(f"{name} has no baselines: they are tuned, which is done once")
        return True
    if not name.startswith("__main__:"):
        return False
    ((_, problem),) = check_tasks([reference], None).items()
    different = load_baselines(name).mismatch(problem.facts())
    if different:
        report(f"{name} is another task by now ({different}); its baselines are tuned anew")
        (Path(BASELINES_FOLDER) / file_name(name)).unlink()
        load_baselines.cache_clear()
    return bool(different)


@dataclass(frozen=True, slots=True)
class TunedTask:
    """What tuning came to on a task.

    Attributes:
        path: the file.
        tuned: the best of each family that trains.
        failed: why the others do not.
    """

    path: Path
    tuned: Mapping[str, Tuned]
    failed: Mapping[str, str]


def tune_baselines(
    task: str,
    output: Path | None,
    *,
    workers: int | str = "auto",
    address: str | None = None,
    report: Report = lambda line: None,
) -> TunedTask:
    """Tunes all baselines of a task and writes their file.

    Trainings are kept beside it until it is written: what was stopped goes on.

    Raises:
        LionSearchError: the task cannot be used, no baseline trains, or the file exists or cannot be written.
        WorkInterruptedError: the user stopped it.
    """
    set_environment(workers)
    ((name, problem),) = check_tasks([task], None).items()
    path = output or Path(BASELINES_FOLDER) / file_name(name)
    check_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LionSearchError(f"cannot write '{path}': {error.strerror}") from error
    kept = path.with_name(f"{path.name}.db")
    tuned: dict[str, Tuned] = {}
    failed: dict[str, str] = {}
    with (
        closing(_store_of(kept, problem.facts())) as store,
        closing(make_pool([name], workers=workers, address=address, report=report)) as pool,
    ):

        def train(points: Sequence[Baseline], seeds: Sequence[int]) -> list[list[Score]]:
            return train_logged(store, pool, Stage.TUNING, points, [name], Part.VALIDATION, seeds)

        try:
            report(f"{name}: {_cost(train)}; kept in {kept}, stop with Ctrl-C and go on later")
            for family in FAMILIES:
                try:
                    tuned[family] = tune(train, name, family, report=report)
                except TaskError as error:
                    failed[family] = str(error)
        except KeyboardInterrupt:
            told = f"Interrupted; what was trained is kept in {kept}. To go on: the same command"
            raise WorkInterruptedError(told) from None
    if not tuned:
        raise TaskError(next(iter(failed.values())))
    best = {family: found.baseline for family, found in tuned.items()}
    trials = {family: found.trials for family, found in tuned.items()}
    edges = {family: found.edge for family, found in tuned.items()}
    write_new(path, to_json(problem.facts(), best, trials, EFFORT, versions(), edges, failed))
    kept.unlink()
    if "adamw" in best:
        try:
            check_ratio(name, best["adamw"].validation_loss, "tuned AdamW")
        except TaskError as error:
            report(f"Note: {error}")
    return TunedTask(path, tuned, failed)


def _store_of(path: Path, facts: Mapping[str, Any]) -> Store:
    """What an earlier try on the same task has trained.

    Raises:
        LionSearchError: it was another task, or the file cannot be used.
    """
    store = Store.reopen_or_create(path)
    known = store.run_facts().get("task")
    if known is None:
        store.append((), (), {"task": facts})
    elif known != facts:
        store.close()
        raise LionSearchError(f"'{path}' holds trainings on another version of this task; delete it")
    return store


def _cost(train: Train) -> str:
    """What a tuning takes, from two trainings of AdamW."""
    family = FAMILIES["adamw"]
    middle = tuple((key, allowed.value(0.5)) for key, allowed in family.ranges.items())
    num_trainings = NUM_TRAININGS * sum(len(own.forms) for own in FAMILIES.values())
    (scores,) = train([Baseline("adamw", family.forms[0], middle)], TUNING_SEEDS[:2])
    seconds = duration(num_trainings * min(score.seconds for score in scores))
    return f"{num_trainings:,} trainings and more, about {seconds} of one core"
