"""Optimizers judged on a suite of tasks, in a folder from which it goes on: ``lion-search benchmark``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lion_search.config import load_suite
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.program import Program
from lion_search.dsl.shown import duration, plural, significant
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.workers.environment import usable_cores
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.store import Store
from lion_search.results.strict_json import json_value
from lion_search.runs.audience import Report
from lion_search.runs.facts import differences, versions
from lion_search.runs.folder import DATABASE_NAME, make_folder
from lion_search.runs.hardware import hardware
from lion_search.runs.lock import lock
from lion_search.runs.preflight import check_tasks, set_environment
from lion_search.runs.references import find_subject
from lion_search.runs.stopping import WorkInterruptedError
from lion_search.runs.workers import make_pool
from lion_search.selection.benchmark import (
    LOOKS,
    Measured,
    Row,
    SuiteScore,
    SuiteSettings,
    measure,
    rows,
    suite_scores,
)
from lion_search.selection.effort import Cost, Effort, Estimate, measure_costs
from lion_search.selection.funnel import ADAMW
from lion_search.simplify.writing.readable import readable

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem

BENCHMARKS_FOLDER = "benchmarks"
"""Where benchmarks are kept, in the working directory."""
SUITE_FACT, EFFORT_FACT, COSTS_FACT = "benchmark", "benchmark_effort", "benchmark_costs"
"""Facts of a benchmark's log: what was asked for; what is spent; what trainings cost."""


class BenchmarkError(LionSearchError):
    """A benchmark that cannot be made as it is asked for."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a benchmark came to; its fields are JSON values.

    Attributes:
        suite: its name or file.
        trainings: that tuned each optimizer on each task.
        seeds: on which they were compared.
        scores: over all tasks, AdamW first.
        rows: of each task.
        versions: of what results depend on.
        hardware: of this machine.
    """

    suite: str
    trainings: int
    seeds: int
    scores: Sequence[SuiteScore]
    rows: Sequence[Row]
    versions: Mapping[str, str]
    hardware: Mapping[str, str]


def run_benchmark(
    references: Sequence[str],
    suite: str,
    *,
    minutes: float | None = None,
    out: Path | None = None,
    workers: int | str = "auto",
    address: str | None = None,
    report: Report = lambda line: None,
) -> tuple[Path, Benchmark]:
    """Judges optimizers on a suite beside AdamW; what the folder has is not trained again.

    Args:
        references: of the optimizers.
        suite: the name of a shipped suite, or a YAML file.
        minutes: that it may take; they choose the effort instead of the suite.
        out: the folder; by default one under ``BENCHMARKS_FOLDER``.
        workers: a number of Ray workers, ``auto`` or ``inline``.
        address: of a Ray cluster to join.
        report: is told, in a line, what happens.

    Returns:
        The folder, and what was measured.

    Raises:
        LionSearchError: an optimizer, a task or the folder cannot be used, or the minutes are too few.
        WorkInterruptedError: the user stopped it.
    """
    set_environment(workers)
    settings = load_suite(suite)
    optimizers = _optimizers(references)
    problems = check_tasks(settings.tasks, None)
    _check_references(optimizers, problems.values())
    folder = out or Path(BENCHMARKS_FOLDER) / Path(suite).stem
    make_folder(folder)
    with lock(folder), closing(Store.reopen_or_create(folder / DATABASE_NAME)) as store:
        asked = _asked(settings, problems, minutes)
        _check_same(store, asked, folder, report)
        with closing(make_pool([], workers=workers, mode="compiled", address=address, report=report)) as pool:
            bench = _Bench(store, pool, optimizers, problems, _num_workers(workers), report)
            effort = bench.prepare(settings, asked, minutes)
            try:
                table, scores = bench.run(effort)
            except KeyboardInterrupt:
                kept = f"what was trained is kept in {folder}"
                raise WorkInterruptedError(f"Interrupted; {kept}. To go on: the same command") from None
    return folder, Benchmark(suite, *effort, scores, table, versions(), hardware())


def _optimizers(references: Sequence[str]) -> dict[str, tuple[Subject, ...]]:
    """By reference, AdamW first, the forms of each that are tuned.

    Raises:
        LionSearchError: a reference leads nowhere or is given twice.
    """
    found: dict[str, tuple[Subject, ...]] = {ADAMW: _forms(ADAMW)}
    for reference in references:
        if reference in found and reference != ADAMW:
            raise BenchmarkError(f"'{reference}' is given twice")
        found[reference] = _forms(reference) if reference in FAMILIES else (find_subject(reference)[1],)
    return found


def _forms(name: str) -> tuple[Baseline, ...]:
    """A family in all its forms, each constant in the middle of its range."""
    family = FAMILIES[name]
    middle = tuple((key, own.value(0.5)) for key, own in family.ranges.items())
    return tuple(Baseline(name, form, middle) for form in family.forms)


def _check_references(optimizers: Mapping[str, Sequence[Subject]], problems: Iterable[FlatProblem]) -> None:
    """What a task's weights do not suit is said at once."""
    from lion_search.proxy_tasks.training.optax_rules import read_optax  # imports JAX, in its environment

    for subject in (form for forms in optimizers.values() for form in forms if isinstance(form, str)):
        for problem in problems:
            read_optax(subject, problem.layout)


def _asked(
    settings: SuiteSettings, problems: Mapping[str, FlatProblem], minutes: float | None
) -> dict[str, Any]:
    """What a benchmark's numbers depend on, beside its optimizers, as JSON values."""
    tasks = {name: problem.facts() for name, problem in problems.items()}
    effort = {"trainings": settings.trainings, "seeds": settings.seeds}
    asked = {"tasks": tasks, **effort, "minutes": minutes, "looks": LOOKS, "versions": versions()}
    found: dict[str, Any] = json_value(asked)
    return found


def _check_same(store: Store, asked: Mapping[str, Any], folder: Path, report: Report) -> None:
    """Raises a BenchmarkError if the folder holds something else; notes other versions of packages."""
    facts = store.run_facts()
    if SUITE_FACT not in facts:
        if "config" in facts:
            raise BenchmarkError(f"folder '{folder}' holds a run; name another with --out")
        return
    found = differences(facts[SUITE_FACT], asked)
    if different := [text for text in found if not text.startswith("versions.")]:
        raise BenchmarkError(
            f"folder '{folder}' holds another benchmark: {'; '.join(different)}. Name another with --out"
        )
    if found:
        report(f"Note: other versions than when the benchmark began: {'; '.join(found)}")


def _num_workers(workers: int | str) -> int:
    return workers if isinstance(workers, int) else 1 if workers == "inline" else usable_cores()


@dataclass(frozen=True, slots=True)
class _Bench:
    """A benchmark under way."""

    store: Store
    pool: Pool
    optimizers: Mapping[str, Sequence[Subject]]
    problems: Mapping[str, FlatProblem]
    num_workers: int
    report: Report

    def prepare(self, settings: SuiteSettings, asked: Mapping[str, Any], minutes: float | None) -> Effort:
        """Says what it will cost, and chooses the effort; both are kept in the log.

        Raises:
            LionSearchError: the minutes are too few, or a task cannot be trained.
        """
        facts = self.store.run_facts()
        if SUITE_FACT in facts:
            estimate = self._estimate({task: Cost(*own) for task, own in facts[COSTS_FACT].items()})
            effort = Effort(*facts[EFFORT_FACT])
        else:
            self.report("Measuring what a training of each task costs")
            estimate = self._estimate(measure_costs(self.pool, self.optimizers[ADAMW][0], [*self.problems]))
            effort = Effort(settings.trainings, settings.seeds)
            if minutes is not None:
                effort = estimate.fitting(effort, minutes)
            told = {SUITE_FACT: asked, EFFORT_FACT: effort, COSTS_FACT: estimate.costs}
            self.store.append((), (), json_value(told))
        self._announce(effort, estimate.seconds(effort))
        return effort

    def _estimate(self, costs: Mapping[str, Cost]) -> Estimate:
        num_forms = sum(map(len, self.optimizers.values()))
        return Estimate(costs, len(self.optimizers), num_forms, self.num_workers)

    def _announce(self, effort: Effort, seconds: Mapping[str, float]) -> None:
        dearest = max(seconds, key=lambda task: seconds[task])
        done = len(self.store.evaluations())
        self.report(
            f"{plural(len(self.problems), 'task')}, {plural(len(self.optimizers), 'optimizer')}, each tuned "
            f"with {effort.trainings:,} trainings and compared on {plural(effort.seeds, 'seed')}: about "
            f"{duration(sum(seconds.values()))} on {plural(self.num_workers, 'worker')}, of which "
            f"{duration(seconds[dearest])} for {dearest}"
            + (f"; {plural(done, 'training')} of them are done" if done else "")
        )

    def run(self, effort: Effort) -> tuple[list[Row], list[SuiteScore]]:
        """Task by task; each is told as soon as it is known."""
        measured: list[Sequence[Measured]] = []
        table: list[Row] = []
        for task in self.problems:
            own = measure(self.store, self.pool, self.optimizers, task, *effort, self.report)
            found = rows(task, own, partial(_step_cost, task), _described)
            self.report(f"{task}: {', '.join(f'{row.optimizer} {significant(row.mean)}' for row in found)}")
            measured.append(own)
            table += found
        return table, suite_scores(table, measured)


def _step_cost(task: str, subject: Subject) -> tuple[float, float]:
    from lion_search.proxy_tasks.training.evaluator import evaluator  # imports JAX
    from lion_search.proxy_tasks.training.modes import Mode
    from lion_search.proxy_tasks.workers.worker import make_optimizer

    own = evaluator(task, Mode.COMPILED)
    return own.step_cost(make_optimizer(subject, own.problem.layout))


def _described(subject: Subject) -> str:
    """With its constants."""
    if isinstance(subject, Program):
        return format_program(readable(subject))
    if isinstance(subject, Baseline):
        form = " (bias-corrected)" * (subject.form == "optax")
        return ", ".join(f"{name} {value:g}" for name, value in subject.hyperparameters) + form
    return subject
