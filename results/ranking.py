"""The programs of a run by fitness, derived from the raw losses in its log."""

from __future__ import annotations

from dataclasses import dataclass

from lion_search.proxy_tasks.scores import Score, Status, overall_status
from lion_search.results.judge import Judge, JudgeSettings, add_score
from lion_search.results.records import BASELINE_SUBJECT, JUDGE_FACT, NOVEL, Individual, Outcome, Stage
from lion_search.results.store import Store


@dataclass(frozen=True, slots=True)
class Ranked:
    """One functional hash and its fitness.

    Attributes:
        hash: functional hash.
        individual: the first with that hash.
        fitness: mean over all its seeds of the stage.
        judged: what it is ranked by: fitness less caution and prices.
        price: how much of that is prices.
        num_seeds: trainings behind it.
        status: ``ok``, or the failure.
    """

    hash: str
    individual: Individual
    fitness: float
    judged: float
    price: float
    num_seeds: int
    status: Status


def judge_settings(store: Store) -> JudgeSettings:
    """How the run's search judged programs."""
    return JudgeSettings(**store.run_facts().get(JUDGE_FACT, {}))


def rank(store: Store, stage: Stage) -> list[Ranked]:
    """All hashes evaluated in a stage, the best first; ties in the order of the log.

    Fitness is relative to tuned AdamW on the same seeds, whose losses are in the log too. Caution and
    prices are those of the run.
    """
    individuals = {i.id: i for i in store.individuals(outcomes=(*NOVEL, Outcome.RESAMPLED))}
    first: dict[str, Individual] = {}
    for individual in individuals.values():
        first.setdefault(individual.hash, individual)
    baseline: list[Score] = []
    scores: dict[str, dict[tuple[str, int], Score]] = {}
    for evaluation in store.evaluations(stage=stage):
        if evaluation.subject == BASELINE_SUBJECT:
            baseline.append(evaluation.score)
        elif evaluation.individual_id is not None:
            if individuals[evaluation.individual_id].hash != evaluation.subject:
                continue  # another update scale, which was not kept
            add_score(scores.setdefault(evaluation.subject, {}), evaluation.score)
    if not scores:
        return []
    judge = Judge(baseline, judge_settings(store))
    rows = []
    for subject, by_sample in scores.items():
        individual, seen = first[subject], tuple(by_sample.values())
        price = judge.price(individual.num_states, individual.num_canonical_statements)
        rows.append(
            Ranked(
                subject,
                individual,
                judge.fitness(seen),
                judge.cautious(seen) - price,
                price,
                len(seen),
                overall_status(seen),
            )
        )
    return sorted(rows, key=lambda row: -row.judged)
