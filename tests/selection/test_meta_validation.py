"""Where fitness and meta-validation part."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lion_search.selection.meta_validation import MetaValidation, parting

NOISE = np.random.default_rng(0).normal(0, 0.01, (6, 8))
"""Of six slices on eight seeds."""


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], None),
        ([0.0, 0.1, 0.4, 0.3, 0.2, 0.1], 2),
        ([0.0, 0.3, 0.4, 0.3, 0.2, 0.4], None),  # it came back
        ([0.2, 0.2, 0.2, 0.2, 0.2, 0.2], None),  # noise alone
        ([0.2, 0.1], 0),
        ([0.2], None),
        ([], None),
    ],
)
def test_they_part_where_an_earlier_best_is_shown_to_be_ahead(
    means: list[float], expected: int | None
) -> None:
    fitness = [(mean + own).tolist() for mean, own in zip(means, NOISE, strict=False)]
    place, lead = parting(fitness)
    assert place == expected
    assert (lead is None) == (expected is None)


def test_the_same_program_is_not_ahead_of_itself() -> None:
    assert parting([NOISE[0].tolist()] * 3) == (None, None)


def test_a_best_that_stays_for_many_slices_is_one_program() -> None:
    ahead, behind = NOISE[0] + 0.012, NOISE[1]
    found = [parting([ahead.tolist()] * times + [behind.tolist()])[0] for times in (1, 100)]
    assert found == [0, 0]


def test_noise_rarely_parts_them() -> None:
    rng = np.random.default_rng(1)
    found = [parting(rng.normal(0, 0.01, (10, 8)).tolist())[0] for _ in range(200)]
    assert sum(place is not None for place in found) <= 16


@pytest.mark.parametrize(
    ("repeats", "expected"), [((), "abc"), ((None, 100), "acb"), ((100, 200), "bac"), ((100, 100), "abc")]
)
def test_finalists_come_from_the_repeat_that_parts_last(
    repeats: tuple[int | None, ...], expected: str
) -> None:
    ranked: list[Any] = [
        SimpleNamespace(individual=SimpleNamespace(repeat=own), name=n)
        for n, own in zip("abc", (0, 1, 0), strict=True)
    ]
    found = MetaValidation((), 8, (), None, None, repeats).prefer_late(ranked)
    assert "".join(row.name for row in found) == expected
