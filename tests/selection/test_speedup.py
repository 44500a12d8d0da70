"""Steps to AdamW's final loss, and what is made of them where it is not reached."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lion_search.selection.speedup import (
    geometric_mean,
    interval,
    resampled_speedups,
    speedup,
    steps_to,
)

STEPS = (0, 10, 20, 40)
ADAMW = np.array([2.0, 1.0, 0.8, 0.5])


@pytest.mark.parametrize(
    ("target", "losses", "steps"),
    [
        (0.5, (2.0, 1.0, 0.8, 0.5), 40),
        (0.9, (2.0, 1.0, 0.8, 0.5), 15),
        (0.9, (2.0, 0.8, 1.5, 0.5), 10 * (1.1 / 1.2)),  # the first time, though not before the first look
        (2.5, (2.0, 1.0, 0.8, 0.5), 10),
        (0.4, (2.0, 1.0, 0.8, 0.5), None),
        (0.9, (2.0, 1.0, math.nan, math.nan), None),
    ],
)
def test_steps_to_a_loss_are_interpolated(
    target: float, losses: tuple[float, ...], steps: float | None
) -> None:
    assert steps_to(target, STEPS, losses) == (steps if steps is None else pytest.approx(max(10, steps)))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (ADAMW, 1.0),
        ([2.0, 0.8, 0.5, 0.4], 2.0),
        ([2.0, 1.5, 1.0, 0.8], 0.5),  # AdamW is at 0.8 after 20 steps
        ([2.0, 0.5, 0.6, 0.9], 4.0),  # it was there, though not at the end
        ([2.0, 3.0, 4.0, 9.0], 0.25),
        ([2.0, 1.0, math.nan, math.nan], 0.25),
    ],
)
def test_a_speedup_is_a_number_whoever_is_ahead(own: list[float], expected: float) -> None:
    assert speedup(STEPS, np.array(own), ADAMW) == pytest.approx(expected)


def test_an_interval_holds_the_speedup_and_is_a_point_where_seeds_agree() -> None:
    noise = 0.02 * np.random.default_rng(1).standard_normal((16, 1))
    own, adamw = np.array([2.0, 0.8, 0.6, 0.45]) + noise, ADAMW + noise[::-1]
    low, high = interval(resampled_speedups(STEPS, own, adamw))
    assert low < speedup(STEPS, own.mean(0), adamw.mean(0)) < high
    same = interval(resampled_speedups(STEPS, np.tile(own[:1], (4, 1)), np.tile(adamw[:1], (4, 1))))
    assert same[0] == pytest.approx(same[1])


def test_twice_as_fast_and_half_as_fast_cancel() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
