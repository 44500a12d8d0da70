"""The grid of learning rates and decays, with a loss that is known of each point."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pools import FakePool, diverged, spread, trained

from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Score
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.selection.card.bench import Bench, Point
from lion_search.selection.card.grid import Grid, measure_grid, num_diverged

ADAMW = load_baselines("digits_he").baselines["adamw"]
THEIRS = dict(ADAMW.hyperparameters)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.create(tmp_path / "log.db", {})) as own:
        yield own


def best_at(rate: float, decay: float, harm: float = 0.0) -> FakePool:
    """A pool for which Lion is best there, by as much as logarithms differ; far too large rates diverge.

    On one seed larger rates do ``harm``, added to the logarithm of the loss.
    """
    one_seed = Stage.CARD.seeds(4)[2]

    def answer(job: Job) -> tuple[Score, ...]:
        if not isinstance(job.subject, Program):
            return trained(job, lambda seed: spread(0.3, seed))
        own = make_rule(job.subject).defaults
        x = math.log10(own["learning_rate"] / THEIRS["learning_rate"] / rate)
        y = math.log10(own["weight_decay"] / THEIRS["weight_decay"] / decay)
        if x > 1.2:
            return (diverged(job),)

        def loss(seed: int) -> float:
            own = x * x + 0.3 * y * y + (harm if seed == one_seed and x > 0.1 else 0.0)
            return spread(0.2 * math.exp(own), seed)

        return trained(job, loss)

    return FakePool(answer)


def measure(store: Store, pool: FakePool) -> Grid | None:
    rule = make_rule(library_program("lion"))
    return measure_grid(Bench(rule, "digits_he", ADAMW, store, pool, None, 4))  # type: ignore[arg-type]


@pytest.mark.parametrize("point", [Point(0.1, 10.0), Point(0.1, 0.316), Point(0.00316, 31.6), Point(10, 0.1)])
def test_the_best_is_found_also_where_the_line_misses_it(store: Store, point: Point) -> None:
    found = measure(store, best_at(point.rate, point.decay))
    assert found is not None
    assert found.best.point == point
    assert [cell.point for cell in found.good] == [point]


def test_what_fails_is_counted(store: Store) -> None:
    found = measure(store, best_at(0.1, 10.0))
    assert found is not None
    assert num_diverged(found.trainings) > 0
    assert sum(cell.fitness == -math.inf for cell in found.cells) == 0


def test_trainings_are_not_repeated(store: Store) -> None:
    measure(store, best_at(0.1, 10.0))
    again = best_at(0.1, 10.0)
    measure(store, again)
    assert again.jobs == []


def test_there_is_no_grid_where_nothing_trains(store: Store) -> None:
    assert measure(store, best_at(1e-6, 1.0)) is None


def test_what_goes_badly_on_one_seed_is_not_as_good(store: Store) -> None:
    found = measure(store, best_at(0.1, 10.0, harm=3.0))
    assert found is not None
    assert [cell.point for cell in found.good] == [Point(0.1, 10.0)]
