"""From a noisy search to one measured winner.

The best of thousands of single-seed scores are partly the luckiest. So the best dozen are trained again
on fresh seeds, the winner is chosen by those alone, and what is reported of it comes from the test part
with yet other seeds, beside the optimizers it must be compared with on the same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lion_search.dsl.canonical import canonicalise
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.batch import evaluate_all, evaluate_baselines
from lion_search.proxy_tasks.pool import Pool
from lion_search.proxy_tasks.scores import Part, Status, fitness, mean_losses, required_mean_losses
from lion_search.proxy_tasks.worker import Subject
from lion_search.results.ranking import rank
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Row, compare


@dataclass(frozen=True, slots=True)
class Finalist:
    """One of the best of a search, measured again.

    Attributes:
        individual: the first individual with its hash.
        search_fitness: what the search saw.
        fitness: on fresh seeds.
    """

    individual: Individual
    search_fitness: float
    fitness: float


def choose_winner(
    store: Store,
    pool: Pool,
    *,
    baselines: Mapping[str, Baseline],
    num_finalists: int,
    num_seeds: int,
) -> list[Finalist]:
    """Trains the best of the search again on fresh validation seeds and logs it.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        baselines: tuned AdamW for each task; trained on the same seeds for comparison.
        num_finalists: how many distinct programs.
        num_seeds: fresh seeds for each.

    Returns:
        Those that trained on all fresh seeds, the winner first; empty if there are none.
    """
    ranked = [row for row in rank(store, Stage.SEARCH) if row.status is Status.OK][:num_finalists]
    individuals = store.first_individuals(row.hash for row in ranked)
    programs = [canonicalise(parse(individuals[row.hash].program)).program() for row in ranked]
    seeds = Stage.SELECTION.seeds(num_seeds)
    baseline_scores = evaluate_baselines(pool, baselines, Part.VALIDATION, seeds)
    baseline_losses = required_mean_losses(baseline_scores)
    scores = evaluate_all(pool, programs, list(baselines), Part.VALIDATION, seeds)
    finalists = []
    evaluations = [Evaluation(Stage.SELECTION, BASELINE_SUBJECT, score) for score in baseline_scores]
    for row, own in zip(ranked, scores, strict=True):
        individual = individuals[row.hash]
        evaluations += (Evaluation(Stage.SELECTION, row.hash, score, individual.id) for score in own)
        if mean_losses(own) is not None:
            finalists.append(Finalist(individual, row.fitness, fitness(own, baseline_losses)))
    store.append((), evaluations)
    return sorted(finalists, key=lambda f: -f.fitness)


def measure_on_test(
    store: Store,
    pool: Pool,
    *,
    winner: Finalist,
    others: Mapping[str, Subject],
    task: str,
    num_seeds: int,
) -> list[Row]:
    """Scores the winner and others on the test part of a task, all on the same seeds, and logs it.

    Returns:
        A row for each optimizer: the winner's first, then the others in their order.
    """
    program = canonicalise(parse(winner.individual.program)).program()
    subjects: dict[str, Subject] = {"winner": program, **others}
    rows = compare(pool, subjects, task, Part.TEST, Stage.TEST.seeds(num_seeds))
    evaluations: list[Evaluation] = []
    for row in rows:
        is_winner = row.name == "winner"
        subject = winner.individual.hash if is_winner else f"baseline:{row.name}"
        individual_id = winner.individual.id if is_winner else None
        evaluations += (Evaluation(Stage.TEST, subject, score, individual_id) for score in row.scores)
    store.append((), evaluations)
    return rows
