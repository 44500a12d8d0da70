"""Trainings of a stage that are logged as they end and not repeated: a stage that was cut short goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import Subject
from lion_search.proxy_tasks.run_jobs import evaluate_each
from lion_search.proxy_tasks.scores import Part, Score, Status, first_failure
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.judge import Judge
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Stage
from lion_search.results.store import Store


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
    found: dict[tuple[str, str], dict[int, Score]] = {}
    for row in store.evaluations(stage=stage):
        found.setdefault((row.subject, row.score.task), {})[row.score.seed] = row.score
    scores = {}
    for key in subjects:
        own = found.get(key, {})
        if _is_complete(own, seeds):
            scores[key] = tuple(own[seed] for seed in seeds if seed in own)
    missing = [key for key in subjects if key not in scores]
    chunks = [(subjects[key], key[1]) for key in missing]
    for place, own_scores in evaluate_each(pool, chunks, part, seeds):
        key = missing[place]
        scores[key] = own_scores
        store.append((), [Evaluation(stage, key[0], s, individual_ids.get(key[0])) for s in own_scores])
    return scores


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


def _is_complete(own: Mapping[int, Score], seeds: Sequence[int]) -> bool:
    return all(seed in own for seed in seeds) or any(s.status is not Status.OK for s in own.values())
