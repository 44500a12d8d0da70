"""Whether a program is ahead: chances by simulation, with normal noise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

import numpy as np
import pytest

from lion_search.selection.verdicts import is_clearly_behind, lead, looks

NUM_SEEDS, NOISE = 16, 0.02
DRAWS = NOISE * np.random.default_rng(0).standard_normal((2000, NUM_SEEDS))


def passes(differences: list[float], confidence: float) -> bool:
    is_kept = all(not is_clearly_behind(differences[:n], NOISE) for n in looks(NUM_SEEDS)[:-1])
    return is_kept and lead(differences, confidence).bound > 0


def share(what: Callable[[list[float]], bool], better_by: float) -> float:
    return float(np.mean([what(list(draw + better_by * NOISE)) for draw in DRAWS]))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_what_is_as_good_as_the_baseline_seldom_passes(confidence: float) -> None:
    assert share(lambda own: passes(own, confidence), 0.0) < 1 - confidence + 0.015


def test_what_is_better_by_the_noise_of_a_pair_mostly_passes() -> None:
    assert share(lambda own: passes(own, 0.9), 1.0) > 0.9


@pytest.mark.parametrize(("worse_by", "num_seeds"), [(4.0, 1.05), (2.0, 2.0)])
def test_what_is_clearly_behind_costs_few_seeds(worse_by: float, num_seeds: float) -> None:
    def trained(own: list[float]) -> int:
        kept = list(takewhile(lambda n: not is_clearly_behind(own[:n], NOISE), looks(NUM_SEEDS)[:-1]))
        return looks(NUM_SEEDS)[len(kept)]

    assert np.mean([trained(list(draw - worse_by * NOISE)) for draw in DRAWS]) < num_seeds


def test_a_lead_is_bounded_from_below_by_students_t() -> None:
    found = lead([0.01, 0.03, 0.05], 0.9)
    assert (found.mean, found.standard_error) == pytest.approx((0.03, 0.02 / 3**0.5))
    assert found.bound == pytest.approx(0.03 - 1.8856 * 0.02 / 3**0.5, abs=1e-6)


@pytest.mark.parametrize(("seeds", "expected"), [(1, [1]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_seeds_are_looked_at_in_doubling_numbers_and_at_the_end(seeds: int, expected: list[int]) -> None:
    assert looks(seeds) == expected
