"""A run from config to export: search, selection, test, simplification, export."""

from __future__ import annotations

import json
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.config import Config, to_yaml
from lion_search.display import Display
from lion_search.dsl.canonical import SEMANTICS_VERSION, canonicalise, functional_hash
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.export_optax import to_optax
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.preflight import check_tasks, find_baselines, set_environment
from lion_search.proxy_tasks.baseline import Baseline, Record
from lion_search.proxy_tasks.batch import evaluate_baselines
from lion_search.proxy_tasks.pool import Pool
from lion_search.proxy_tasks.scores import Part, required_mean_losses
from lion_search.proxy_tasks.worker import Subject
from lion_search.references import CONFIG_NAME, DATABASE_NAME, DATABASE_URL_NAME, RUNS_FOLDER, find_program
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Stage
from lion_search.results.store import Store, absolute_url
from lion_search.search.driver import Progress, Search
from lion_search.search.evolution import RegularizedEvolution
from lion_search.selection.comparison import Row
from lion_search.selection.finalists import Finalist, choose_winner, measure_on_test
from lion_search.simplify.redundancy import Simplification, remove_redundant
from lion_search.workers import make_pool

if TYPE_CHECKING:
    from lion_search.proxy_tasks.prepare import FlatProblem

EXPORTS_FOLDER = "exports"
RESULT_NAME = "result.json"
_PACKAGES = ("lion-search", "jax", "jaxlib", "numpy", "optax", "ray", "equinox", "scikit-learn", "sqlalchemy")


class RunFolderError(LionSearchError):
    """A run folder that cannot be used."""


class RunInterruptedError(Exception):
    """The user stopped the run; everything evaluated is in the log."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.progress = progress


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run hands over.

    Attributes:
        folder: the run's folder.
        progress: the search's last snapshot.
        finalists: the winner first.
        test_rows: losses on test: the winner, then what it is compared with.
        simplification: of the winner's genome.
        exports: the files written.
    """

    folder: Path
    progress: Progress
    finalists: tuple[Finalist, ...]
    test_rows: tuple[Row, ...]
    simplification: Simplification
    exports: tuple[Path, ...]


def run(
    config: Config, name: str, out: Path | None, display: Callable[[], Display], report: Callable[[str], None]
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
    config.evolution_settings()  # loads the user's own functions, which the initial program may use
    initial = find_program(config.initial).program
    set_environment(config.workers)
    problems = check_tasks([task.name for task in config.tasks], config.limits.memory_gb)
    records = find_baselines(problems, report)
    baselines = {name: record.baselines for name, record in records.items()}
    seeds = dict(zip(problems, (task.seeds for task in config.tasks), strict=True))
    folder = _choose_folder(name, out)
    store = _create_store(config, initial, problems, records, folder)
    (folder / CONFIG_NAME).write_text(to_yaml(config))
    report(f"Run folder: {folder}")
    with _stopping_signals(report) as was_stopped:
        pool = _make_pool(config, list(problems), report)
        try:
            return _stages(
                config, folder, initial, baselines, seeds, store, pool, display, report, was_stopped
            )
        finally:
            pool.close()
            store.close()


def _stages(
    config: Config,
    folder: Path,
    initial: Program,
    baselines: Mapping[str, Mapping[str, Baseline]],
    seeds: Mapping[str, int],
    store: Store,
    pool: Pool,
    display: Callable[[], Display],
    report: Callable[[str], None],
    was_stopped: Callable[[], bool],
) -> RunResult:
    adamw = {task: by_name["adamw"] for task, by_name in baselines.items()}
    samples = [(task, seed) for task, count in seeds.items() for seed in Stage.SEARCH.seeds(count)]
    losses = _baseline_losses(seeds, adamw, store, pool)
    evolution = RegularizedEvolution(initial, config.evolution_settings(), config.seed)
    search = Search(
        evolution,
        pool,
        store,
        samples=samples,
        baseline_losses=losses,
        budget=config.search_budget(),
        max_cost=config.limits.cost,
    )
    with display() as shown:
        progress = search.run(should_stop=was_stopped, on_progress=shown.show)
    if was_stopped():
        raise RunInterruptedError(folder, progress)
    settings = config.selection
    report(f"Selection: the best {settings.finalists} on {settings.validation_seeds} fresh seeds")
    finalists = choose_winner(
        store,
        pool,
        baselines=adamw,
        num_finalists=settings.finalists,
        num_seeds=settings.validation_seeds,
    )
    if not finalists:
        raise LionSearchError(
            f"none of the best programs trains on fresh seeds without failure; the log is in {folder}"
        )
    if was_stopped():
        raise RunInterruptedError(folder, progress)
    report(f"Test: the winner beside its rivals on {settings.test_seeds} other seeds, test part")
    rows = [
        row
        for task in adamw
        for row in measure_on_test(
            store,
            pool,
            winner=finalists[0],
            others={**_tuned(baselines[task]), "untuned start": canonicalise(initial).program()},
            task=task,
            num_seeds=settings.test_seeds,
        )
    ]
    if was_stopped():
        raise RunInterruptedError(folder, progress)
    simplification = remove_redundant(parse(finalists[0].individual.program))
    assert functional_hash(simplification.after) == finalists[0].individual.hash
    exports = _export(folder, finalists[0], simplification)
    result = RunResult(folder, progress, tuple(finalists), tuple(rows), simplification, exports)
    (folder / RESULT_NAME).write_text(json.dumps(summary(result), indent=1) + "\n")
    return result


def _baseline_losses(
    seeds: Mapping[str, int], adamw: Mapping[str, Baseline], store: Store, pool: Pool
) -> dict[str, float]:
    """Losses of tuned AdamW on the seeds of the search, logged."""
    scores = [
        score
        for task, count in seeds.items()
        for score in evaluate_baselines(pool, {task: adamw[task]}, Part.VALIDATION, Stage.SEARCH.seeds(count))
    ]
    losses = required_mean_losses(scores)
    store.append((), [Evaluation(Stage.SEARCH, BASELINE_SUBJECT, score) for score in scores])
    return losses


def _tuned(baselines: Mapping[str, Baseline]) -> dict[str, Subject]:
    return {f"tuned {name}": baseline for name, baseline in baselines.items()}


def summary(result: RunResult) -> dict[str, Any]:
    """The result as JSON values."""
    progress = asdict(result.progress)
    return {
        "winner": f"{result.folder.name}:{result.finalists[0].individual.id}",
        "program": format_program(result.simplification.after),
        "search": {**progress, "hit_rate": result.progress.hit_rate},
        "finalists": [
            {"id": f.individual.id, "search_fitness": f.search_fitness, "fitness": f.fitness}
            for f in result.finalists
        ],
        "test": [
            {
                "optimizer": row.name,
                "task": row.task,
                "mean_loss": row.mean,
                "standard_error": row.standard_error,
                "num_seeds": row.num_seeds,
            }
            for row in result.test_rows
        ],
        "exports": [str(path.relative_to(result.folder)) for path in result.exports],
    }


def _export(folder: Path, winner: Finalist, simplification: Simplification) -> tuple[Path, ...]:
    exports = folder / EXPORTS_FOLDER
    exports.mkdir()
    program = simplification.after
    title = f"Individual {winner.individual.id} of run {folder.name}, found by lion-search"
    files = {
        exports / "winner_optax.py": to_optax(program, "winner", title),
        exports / "winner.py": f"# {title}: the program itself\n{format_program(program)}",
    }
    for path, text in files.items():
        path.write_text(text)
    return tuple(files)


def _choose_folder(name: str, out: Path | None) -> Path:
    """The run folder, which does not exist or is empty."""
    folder = out if out is not None else _free_folder(Path(RUNS_FOLDER), name)
    try:
        is_free = not folder.exists() or not any(folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"cannot use run folder '{folder}': {error.strerror}") from error
    if not is_free:
        raise RunFolderError(f"run folder '{folder}' is not empty; name another with --out")
    return folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make run folder '{folder}': {error.strerror}") from error


def _free_folder(parent: Path, name: str) -> Path:
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


def _make_pool(config: Config, tasks: Sequence[str], report: Callable[[str], None]) -> Pool:
    return make_pool(
        tasks,
        workers=config.workers,
        mode=None if config.mode == "auto" else config.mode,
        own_functions=config.own_functions(),
        limits=config.pool_limits(),
        gpus_per_worker=config.gpus_per_worker,
        report=report,
    )


def _create_store(
    config: Config,
    initial: Program,
    problems: Mapping[str, FlatProblem],
    records: Mapping[str, Record],
    folder: Path,
) -> Store:
    facts = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(),
        "initial_program": format_program(initial),
        "semantics_version": SEMANTICS_VERSION,
        "tasks": {name: problem.facts() for name, problem in problems.items()},
        "baselines": {
            task: {name: asdict(b) for name, b in record.baselines.items()}
            for task, record in records.items()
        },
        "versions": versions(),
    }
    if config.database is None:
        _make_folder(folder)
        return Store.create(folder / DATABASE_NAME, facts)
    url = absolute_url(config.database)
    store = Store.create(url, facts)  # before anything is made: it is what a person may have got wrong
    _make_folder(folder)
    (folder / DATABASE_URL_NAME).write_text(f"{url}\n")
    return store


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        **{package: metadata.version(package) for package in _PACKAGES},
    }


@contextmanager
def _stopping_signals(report: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
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
