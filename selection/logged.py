"""Trainings of a stage that are logged as they end and not repeated: a stage that was cut short goes on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import CurveJob, Job, Subject
from lion_search.proxy_tasks.reference_options import split_options
from lion_search.proxy_tasks.run_jobs import run_curves, run_jobs
from lion_search.proxy_tasks.scores import Curve, Part, Score, Status, first_failure
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.judge import Judge
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Stage
from lion_search.results.store import Store

S = TypeVar("S", bound=Subject)
"""What is trained."""


def evaluate_logged(
    store: Store,
    pool: Pool,
    stage: Stage,
    subjects: Mapping[tuple[str, str], Subject],
    part: Part,
    seeds: Sequence[int],
    individual_ids: Mapping[str, int],
) -> dict[tuple[str, str], tuple[Score, ...]]:
    """Scores subjects on tasks, taking from the log what is there and adding what was not.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        stage: under which they are logged.
        subjects: what to train, by its name in the log and the task.
        part: where the loss is measured.
        seeds: of the stage.
        individual_ids: by name in the log, the individual that a program is.

    Returns:
        Scores on the seeds, in their order, shorter after a failure.
    """
    found: dict[tuple[str, str], dict[int, Score]] = {key: {} for key in subjects}
    for row in store.evaluations(stage=stage):
        if (key := (row.subject, row.score.task)) in found:
            found[key][row.score.seed] = row.score
    missing = {key: own for key, scores in found.items() if (own := _missing(scores, seeds))}
    keys, jobs = [], []
    for key, own in missing.items():
        for some in _parts(own, math.ceil(pool.room / len(missing))):
            keys.append(key)
            jobs.append(Job(subjects[key], tuple((key[1], seed, part) for seed in some)))
    for place, scores in run_jobs(pool, jobs):
        name = keys[place][0]
        found[keys[place]].update((score.seed, score) for score in scores)
        store.append((), [Evaluation(stage, name, score, individual_ids.get(name)) for score in scores])
    return {key: _until_failure(scores, seeds) for key, scores in found.items()}


def _until_failure(scores: Mapping[int, Score], seeds: Sequence[int]) -> tuple[Score, ...]:
    """Those on the seeds, in their order, up to and including the first failure."""
    own = [scores[seed] for seed in seeds if seed in scores]
    failures = [place for place, score in enumerate(own) if score.status is not Status.OK]
    return tuple(own[: failures[0] + 1] if failures else own)


def _missing(scores: Mapping[int, Score], seeds: Sequence[int]) -> list[int]:
    """The seeds to train on still: none after the first known failure."""
    failed = [i for i, seed in enumerate(seeds) if seed in scores and scores[seed].status is not Status.OK]
    return [seed for seed in seeds[: failed[0] if failed else None] if seed not in scores]


def _parts(seeds: Sequence[int], most: int) -> list[Sequence[int]]:
    """Seeds in order, in at most so many parts of equal length, so that no worker is idle."""
    length = math.ceil(len(seeds) / max(1, most))
    return [seeds[start : start + length] for start in range(0, len(seeds), length)]


def in_canonical_form(subject: S) -> S:
    """A program as it is trained; all else as it is."""
    return cast(S, canonicalise(subject).program()) if isinstance(subject, Program) else subject


def log_name(subject: Subject) -> str:
    """What is trained, as the log calls it; a function of a file is another one once the file has changed."""
    if isinstance(subject, Program):
        return functional_hash(subject)
    if isinstance(subject, str):
        path = Path(split_options(subject)[0].removeprefix("optax:").rpartition(":")[0])
        version = f"#{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" if path.is_file() else ""
        return subject + version
    constants = ",".join(f"{name}={value:.10g}" for name, value in subject.hyperparameters)
    return f"baseline:{subject.name}?form={subject.form},{constants}"


def train_logged(
    store: Store,
    pool: Pool,
    stage: Stage,
    subjects: Sequence[Subject],
    tasks: Sequence[str],
    part: Part,
    seeds: Sequence[int],
    individual_ids: Sequence[int] = (),
) -> list[list[Score]]:
    """Scores of optimizers; logged as in :func:`evaluate_logged`.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        stage: under which the trainings are logged.
        subjects: what to train.
        tasks: on what.
        part: where the loss is measured.
        seeds: of the stage.
        individual_ids: the individuals that the first subjects are.

    Returns:
        For each its scores, task by task, on the seeds in their order; of a task shorter after a failure.
    """
    names = [log_name(subject) for subject in subjects]
    jobs: dict[tuple[str, str], Subject] = {
        (name, task): in_canonical_form(own)
        for name, own in zip(names, subjects, strict=True)
        for task in tasks
    }
    ids = dict(zip(names, individual_ids, strict=False))
    scores = evaluate_logged(store, pool, stage, jobs, part, seeds, ids)
    return [[score for task in tasks for score in scores[name, task]] for name in names]


class LoggedFitness(NamedTuple):
    """How fit a program is.

    Attributes:
        fitness: prices not taken off.
        failure: the training that failed, if one did.
    """

    fitness: float
    failure: Score | None


def fitness_logged(
    store: Store,
    pool: Pool,
    stage: Stage,
    optimizers: Mapping[str, Subject],
    baselines: Mapping[str, Baseline],
    seeds: Sequence[int],
    individual_ids: Mapping[str, int],
) -> dict[str, LoggedFitness]:
    """Fitness of optimizers on validation data, prices not taken off; logged as in :func:`evaluate_logged`.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        stage: under which the trainings are logged.
        optimizers: by name in the log; a program's is its functional hash.
        baselines: tuned AdamW for each task; trained on the same seeds.
        seeds: of the stage.
        individual_ids: by name in the log, the individual that a program is.

    Returns:
        By name in the log.
    """
    subjects: dict[tuple[str, str], Subject] = {(BASELINE_SUBJECT, t): b for t, b in baselines.items()}
    subjects |= {(name, task): own for name, own in optimizers.items() for task in baselines}
    scores = evaluate_logged(store, pool, stage, subjects, Part.VALIDATION, seeds, individual_ids)
    of = {
        key: [s for task in baselines for s in scores[key, task]] for key in (BASELINE_SUBJECT, *optimizers)
    }
    judge = Judge(of[BASELINE_SUBJECT])
    return {name: LoggedFitness(judge.fitness(of[name]), first_failure(of[name])) for name in optimizers}


def curves_logged(
    store: Store,
    pool: Pool,
    subjects: Sequence[Subject],
    task: str,
    part: Part,
    seeds: Sequence[int],
    num_points: int,
) -> list[list[Curve | None]]:
    """Losses along trainings; kept as they end, each as a fact of the log, and not measured again.

    Args:
        store: open for writing.
        pool: evaluates jobs.
        subjects: what to train.
        task: its name.
        part: where the loss is measured.
        seeds: of the trainings.
        num_points: how often each training is looked at, the same each time.

    Returns:
        For each its curves on the seeds, in their order; ``None`` for a training that failed in another way
        than to diverge.
    """
    named = {log_name(subject): in_canonical_form(subject) for subject in subjects}
    keys = {
        (name, seed): f"curve of {name} on {task}, {part}, seed {seed}" for name in named for seed in seeds
    }
    known = store.run_facts()
    missing = [place for place, key in keys.items() if key not in known]
    jobs = [CurveJob(named[name], (task, seed, part), num_points) for name, seed in missing]
    for number, curve in run_curves(pool, jobs):
        fact = {keys[missing[number]]: {"steps": curve.steps, "losses": curve.losses}}
        store.append((), (), fact)
        known |= fact
    return [[_curve(known.get(keys[log_name(s), seed])) for seed in seeds] for s in subjects]


def _curve(fact: Mapping[str, Sequence[Any]] | None) -> Curve | None:
    if fact is None:
        return None
    losses = (math.nan if loss is None else loss for loss in fact["losses"])
    return Curve(tuple(fact["steps"]), tuple(losses))
