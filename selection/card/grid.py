"""Learning rate and weight decay against those of tuned AdamW: a coarse line, then a grid around its best.

Along the line the product of the two stays that of AdamW, as when Lion takes over from it: the learning rate
smaller by as much as the decay is larger. The grid moves until its best is not at its edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from lion_search.proxy_tasks.scores import Score, Status, first_failure, gains, standard_error
from lion_search.results.records import Stage
from lion_search.selection.card.bench import Bench, Point

LINE = tuple(float(f"{10 ** (k / 2):.3g}") for k in range(-8, 5))
"""Learning rates of the line, in AdamW's."""
LINE_SEEDS = 2
SIDE = 5
"""Points along each side of the grid, half a decade apart."""
MOST_MOVES = 2
MATTERS = 0.02
"""A decay at the edge of the grid is followed if it is better by so much fitness than those inside."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a point of the grid came to.

    Attributes:
        fitness: the mean over seeds of log(AdamW's loss / loss); minus infinity if a training failed.
        is_as_good: whether it is within two standard errors, those of a typical point, of the best.
    """

    point: Point
    fitness: float
    is_as_good: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid.

    Attributes:
        cells: row by row: learning rates downwards, decays to the right; one column if there is no decay.
        best: the best point.
        trainings: all trainings at points of line and grid.
    """

    cells: tuple[Cell, ...]
    best: Cell
    trainings: tuple[Score, ...]

    @property
    def good(self) -> list[Cell]:
        """Those as good as the best."""
        return [cell for cell in self.cells if cell.is_as_good]


def measure_grid(bench: Bench) -> Grid | None:
    """The grid; ``None`` if nothing trains along the line."""
    has_decay = bench.rule.has_decay
    line = [Point(rate, 1 / rate if has_decay else 1.0) for rate in LINE]
    fitness = _fitness(bench, line, LINE_SEEDS)
    centre = max(line, key=lambda point: fitness[point])
    if fitness[centre] == -math.inf:
        return None
    for _ in range(MOST_MOVES + 1):
        points = _around(centre, has_decay=has_decay)
        fitness |= _fitness(bench, points, bench.num_seeds)
        best = max(points, key=lambda point: fitness[point])
        if not _is_at_an_edge(best, points, fitness):
            break
        centre = best
    return _grid(bench, points, best, [*line, *points])


def _is_at_an_edge(best: Point, points: Sequence[Point], fitness: Mapping[Point, float]) -> bool:
    """Whether the best may lie outside. Where decays matter little, it lies at their edge by chance."""
    if fitness[best] == -math.inf:
        return False
    if best.rate in (points[0].rate, points[-1].rate):
        return True
    others = [fitness[p] for p in points if p.rate == best.rate and p.decay not in _ends(points)]
    return best.decay in _ends(points) and bool(others) and fitness[best] - max(others) > MATTERS


def _ends(points: Sequence[Point]) -> tuple[float, float]:
    return points[0].decay, points[-1].decay


def _around(centre: Point, *, has_decay: bool) -> list[Point]:
    steps = [10 ** ((k - SIDE // 2) / 2) for k in range(SIDE)]
    decays = steps if has_decay else [1.0]
    return [Point(_rounded(centre.rate * a), _rounded(centre.decay * b)) for a in steps for b in decays]


def _rounded(value: float) -> float:
    """One of the half decades, written in three digits: a grid that has moved meets its points again."""
    return float(f"{10 ** (round(2 * math.log10(value)) / 2):.3g}")


def _fitness(bench: Bench, points: Sequence[Point], num_seeds: int) -> dict[Point, float]:
    seeds = Stage.CARD.seeds(num_seeds)
    adamw, *own = bench.train([bench.adamw, *map(bench.program, points)], seeds)
    found = {}
    for point, scores in zip(points, own, strict=True):
        bench.scores[point] = scores
        failed = first_failure(scores) is not None
        found[point] = -math.inf if failed else fmean(gains(scores, adamw))
    return found


def _grid(bench: Bench, points: Sequence[Point], best: Point, tried: Sequence[Point]) -> Grid:
    (adamw,) = bench.train([bench.adamw], Stage.CARD.seeds(bench.num_seeds))
    top = gains(bench.scores[best], adamw) if first_failure(bench.scores[best]) is None else []
    gained = {p: gains(bench.scores[p], adamw) for p in points if first_failure(bench.scores[p]) is None}
    behind = {p: [a - b for a, b in zip(top, own, strict=True)] for p, own in gained.items()}
    # Of a point where one training goes badly the error is so large that any lead lies within it.
    error = median(map(standard_error, behind.values())) if behind else 0.0
    cells = [
        Cell(p, fmean(gained[p]), p == best or fmean(behind[p]) <= 2 * error)
        if p in gained
        else Cell(p, -math.inf)
        for p in points
    ]
    trainings = tuple(score for point in dict.fromkeys(tried) for score in bench.scores[point])
    return Grid(tuple(cells), next(c for c in cells if c.point == best), trainings)


def num_diverged(scores: Sequence[Score]) -> int:
    """Trainings that ended in anything but a loss."""
    return sum(score.status is not Status.OK for score in scores)
