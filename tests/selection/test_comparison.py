"""Optimizers side by side: rows, their means and paired differences."""

from __future__ import annotations

import math
import statistics

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.selection.comparison import Measurement


def row(name: str, losses: tuple[float, ...], num_seeds: int) -> Measurement:
    scores = (Score("task", Part.TEST, seed, Status.OK, loss, 9, 0.1) for seed, loss in enumerate(losses))
    return Measurement(name, "task", tuple(scores), num_seeds)


def test_a_failure_gives_a_row_its_status_and_no_mean() -> None:
    bad = Score("task", Part.TEST, 2, Status.STOPPED, 0.5, 3, 0.1, "hurdle")
    own = Measurement("x", "task", (*row("x", (0.1, 0.2), 3).scores, bad), 3)
    assert own.status is Status.STOPPED
    assert own.losses == (0.1, 0.2)
    assert math.isnan(own.mean)


ONE = row("one", (1.0, 2.0, 4.0, 5.0), 4)
OTHER = row("other", (2.0, 2.0, 6.0, 8.0), 4)


def test_the_difference_is_paired() -> None:
    """Differences -1, 0, -2, -3: mean -1.5, deviations 0.5, 1.5, -0.5, -1.5: variance 5 / 3, over 4 seeds."""
    mean, error = ONE.difference(OTHER)
    assert mean == -1.5
    assert error == pytest.approx(math.sqrt(5 / 3 / 4))
    unpaired = math.hypot(ONE.standard_error, OTHER.standard_error)
    assert error < 0.5 * unpaired


def test_the_standard_error_is_that_of_the_statistics_module() -> None:
    losses = ONE.losses
    assert ONE.mean == pytest.approx(statistics.mean(losses))
    assert ONE.standard_error == pytest.approx(statistics.stdev(losses) / math.sqrt(4))


def test_a_mean_over_fewer_seeds_than_wanted_is_no_number() -> None:
    own = row("x", (0.1, 0.2), 3)
    assert math.isnan(own.mean)
    assert all(map(math.isnan, own.difference(ONE)))


def test_one_seed_has_no_standard_error() -> None:
    own = row("x", (0.1,), 1)
    assert own.mean == 0.1
    assert math.isnan(own.standard_error)
