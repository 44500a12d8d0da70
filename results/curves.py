"""How good the best of a search was after so much compute, read from its log.

The log is walked through in its order. At a number of trainings the best is the program that the search
itself would have named then: by the scores it had by then, less the caution and the prices of the run. A
program that is trained on further seeds is judged anew over all of them, and may lose its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from lion_search.results.judge import Judge
from lion_search.results.queries import count_trainings
from lion_search.results.ranking import Ranking, judge_settings, read_scores
from lion_search.results.records import HAS_OWN_SCORES, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a search knew at an amount of compute.

    Attributes:
        trainings: at most so many had been paid for; at the end, exactly so many.
        seconds: that these took, summed over workers.
        num_programs: individuals committed by then.
        best_id: the first individual of the program that was best by what was known.
        judged: that program's fitness by what was known, less caution and prices.
        num_samples: trainings behind that.
    """

    trainings: int
    seconds: float
    num_programs: int
    best_id: int
    judged: float
    num_samples: int


@dataclass(frozen=True, slots=True)
class FitnessPoint:
    """Fitness on fresh seeds at an amount of compute.

    Attributes:
        trainings: the amount.
        fitness: 0 is tuned AdamW, higher is better.
        standard_error: of that; NaN if it is not known.
    """

    trainings: int
    fitness: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class FitnessCurve:
    """Fitness on fresh seeds against compute, of one setting.

    Attributes:
        label: what the setting is called.
        num_runs: how many runs of it were joined.
        points: by increasing trainings.
    """

    label: str
    num_runs: int
    points: tuple[FitnessPoint, ...]


def checkpoints(points: int, max_trainings: int) -> tuple[int, ...]:
    """Evenly spaced numbers of trainings, the last one the maximum; fewer if there are not so many."""
    amounts = {max_trainings * k // points for k in range(1, points + 1)}
    return tuple(sorted(amounts - {0}))


def learning_curve(store: Store, points: int, max_trainings: int | None = None) -> list[CurvePoint]:
    """The best of a run at evenly spaced amounts of compute, and at its end.

    Trainings are the evaluations of the search: not those of the baseline, and not those copied from an
    earlier run. A point holds all that its trainings paid for: individuals are counted up to the first whose
    trainings would have gone beyond.

    Args:
        store: the run's log.
        points: how many amounts.
        max_trainings: the largest of them; by default all of the run's.

    Returns:
        Points by increasing trainings. Amounts the run did not reach are left out, and amounts at which it
        knew no program that trains. The last point is the end of the run.
    """
    maximum = count_trainings(store) if max_trainings is None else max_trainings
    waiting = list(reversed(checkpoints(points, maximum)))
    curve = None
    for curve, individual, cost in _course(store):
        while waiting and curve.trainings + cost > waiting[-1]:
            curve.add_point(waiting.pop(), individual.id)
    if curve is None:
        return []
    curve.add_point(curve.trainings, store.num_individuals())
    return curve.points


def best_of_slices(store: Store, every: int, repeat: int | None = None) -> list[CurvePoint]:
    """The best of a search after each so many programs, and at its end.

    What it says of a place depends on the log up to there only.

    Args:
        store: the run's log.
        every: so many programs, of all repeats, are a slice.
        repeat: only of what this repeat was the first to make.
    """
    total = store.num_individuals()
    waiting = sorted({*range(every, total + 1, every), total} - {0}, reverse=True)
    curve = None
    for curve, individual, _ in _course(store, repeat):
        while waiting and individual.id >= waiting[-1]:
            curve.add_point(curve.trainings, waiting.pop())
    if curve is None:
        return []
    for num_programs in reversed(waiting):
        curve.add_point(curve.trainings, num_programs)
    return curve.points


def _course(store: Store, repeat: int | None = None) -> Iterator[tuple[_Curve, Individual, int]]:
    """What a search knows before each individual with scores of its own, this one, and its trainings."""
    baseline, rows = read_scores(store, Stage.SEARCH)
    if not rows:
        return
    curve = _Curve(Ranking(Judge(baseline, judge_settings(store))))
    for individual in store.individuals(outcomes=HAS_OWN_SCORES):
        own = rows.get(individual.id, [])
        if repeat not in (None, individual.repeat) and curve.ranking.get(individual.hash) is None:
            continue
        cost = 0 if individual.outcome is Outcome.REUSED else len(own)
        yield curve, individual, cost
        curve.go_on(individual, own, cost)


@dataclass(slots=True)
class _Curve:
    """What a search knows and has used at a place of its log, and the points before that place."""

    ranking: Ranking
    trainings: int = 0
    seconds: float = 0.0
    points: list[CurvePoint] = field(default_factory=list)

    def add_point(self, trainings: int, num_programs: int) -> None:
        """Notes the best of now, if there is any."""
        if (best := self.ranking.best()) is not None:
            own = (best.individual.id, best.judged, best.num_seeds)
            self.points.append(CurvePoint(trainings, self.seconds, num_programs, *own))

    def go_on(self, individual: Individual, evaluations: list[Evaluation], cost: int) -> None:
        """Goes past the next individual that was evaluated."""
        self.ranking.add(individual, evaluations)
        if cost:
            self.trainings += cost
            self.seconds += math.fsum(e.score.seconds for e in evaluations)
