"""The programs of a run by fitness, derived from the raw losses in its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lion_search.proxy_tasks.scores import FAILURE_FITNESS, Score, Status, first_failure, overall_status
from lion_search.results.judge import Judge, JudgeSettings, add_score
from lion_search.results.leaders import Leaders
from lion_search.results.records import (
    BASELINE_SUBJECT,
    HAS_OWN_SCORES,
    JUDGE_FACT,
    Evaluation,
    Individual,
    Stage,
)
from lion_search.results.store import Store


@dataclass(slots=True)
class Ranked:
    """One functional hash and its fitness.

    Attributes:
        individual: the first with that hash.
        price: what its states and statements cost.
        scores: on all its samples, by task and seed.
        fitness: mean over these.
        judged: what it is ranked by: fitness less caution and price.
        status: ``ok``, or the failure.
        failure: the training that failed, if one did.
    """

    individual: Individual
    price: float
    scores: dict[tuple[str, int], Score] = field(default_factory=dict)
    fitness: float = FAILURE_FITNESS
    judged: float = FAILURE_FITNESS
    status: Status = Status.OK
    failure: Score | None = None

    @property
    def hash(self) -> str:
        """The functional hash."""
        return self.individual.hash

    @property
    def num_seeds(self) -> int:
        """Trainings behind its fitness."""
        return len(self.scores)


class Ranking:
    """The programs of a log by what its individuals so far say of them; failures come last."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._programs: Leaders[str, Ranked] = Leaders(lambda row: (row.status is Status.OK, row.judged))

    def add(self, individual: Individual, evaluations: Sequence[Evaluation]) -> Ranked | None:
        """Takes in the next individual of the log and its evaluations.

        Those of update scales that were not kept say nothing of its program.

        Returns:
            Its program, judged anew; ``None`` if the evaluations say nothing of it.
        """
        scores = [e.score for e in evaluations if e.subject == individual.hash]
        if not scores:
            return None
        row = self._programs.get(individual.hash)
        if row is None:
            row = Ranked(
                individual, self._judge.price(individual.num_states, individual.num_canonical_statements)
            )
            self._programs.offer(row.hash, row)
        for score in scores:
            add_score(row.scores, score)
        own = tuple(row.scores.values())
        row.status, row.failure = overall_status(own), first_failure(own)
        row.fitness = row.judged = FAILURE_FITNESS
        if row.status is Status.OK:
            row.fitness = self._judge.fitness(own)
            row.judged = row.fitness - self._judge.caution(own)
        row.judged -= row.price
        return row

    def get(self, hash_: str) -> Ranked | None:
        """The program of a hash, if it is here."""
        return self._programs.get(hash_)

    def best(self) -> Ranked | None:
        """The best, the first of equals; ``None`` if there is none that trains."""
        found = self._programs.best()
        return found if found is not None and found.status is Status.OK else None

    def ranked(self) -> list[Ranked]:
        """All, the best first; ties in the order of the log."""
        return self._programs.ranked()


def judge_settings(store: Store) -> JudgeSettings:
    """How the run's search judged programs."""
    return JudgeSettings(**store.run_facts().get(JUDGE_FACT, {}))


def read_scores(
    store: Store, stage: Stage, *, only_kept: bool = False
) -> tuple[list[Score], dict[int, list[Evaluation]]]:
    """The scores of tuned AdamW in a stage, and the evaluations of the log's programs by individual.

    ``only_kept`` leaves out those of update scales that were not kept.
    """
    baseline: list[Score] = []
    rows: dict[int, list[Evaluation]] = {}
    for evaluation in store.evaluations(stage=stage, only_kept=only_kept):
        if evaluation.individual_id is not None:
            rows.setdefault(evaluation.individual_id, []).append(evaluation)
        elif evaluation.subject == BASELINE_SUBJECT:
            baseline.append(evaluation.score)
    return baseline, rows


def rank(store: Store, stage: Stage) -> list[Ranked]:
    """All hashes evaluated in a stage, the best first; ties in the order of the log.

    Fitness is relative to tuned AdamW on the same seeds, whose losses are in the log too. Caution and
    prices are those of the run.
    """
    baseline, rows = read_scores(store, stage, only_kept=True)
    if not rows:
        return []
    ranking = Ranking(Judge(baseline, judge_settings(store)))
    for individual in store.individuals(outcomes=HAS_OWN_SCORES):
        ranking.add(individual, rows.get(individual.id, ()))
    return ranking.ranked()
