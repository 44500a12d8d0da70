"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from lion_search.dsl import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.08370001, "0.08370"),
        (2.3096, "2.310"),
        (0.00001234567, "0.00001235"),
        (1.234567e-7, "1.235e-07"),
        (0.0, "0"),
        (9999.7, "10,000"),
        (12345.6, "12,350"),
        (1e30, "1.000e+30"),
        (-0.5, "-0.5000"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "unknown"),
    ],
)
def test_a_loss_has_four_significant_digits_whatever_its_size(value: float | None, text: str) -> None:
    assert shown.significant(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0402, "+0.04020"), (-3e-5, "-0.00003000"), (0.0, "0")])
def test_a_fitness_has_its_sign(value: float, text: str) -> None:
    assert shown.signed(value) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.08372, 0.00117, "+0.0837 +- 0.0012"),
        (-0.0000123, 0.00013, "-0.00001 +- 0.00013"),
        (2.30951, 0.0996, "+2.31 +- 0.10"),
        (1234567.0, 234.0, "+1,234,567 +- 230"),
        (3e-9, 1.2e-9, "+3.000e-09 +- 1.2e-09"),
        (0.5, 0.0, "+0.5000"),
        (0.5, math.nan, "+0.5000"),
    ],
)
def test_a_mean_ends_where_its_error_does(value: float, error: float, text: str) -> None:
    """Two digits of the error; a mean without one is shown as any number."""
    assert shown.with_error(value, error, "+") == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0%"),
        (1e-5, "< 0.1%"),
        (0.2537, "25.4%"),
        (0.99999, "> 99.9%"),
        (1.0, "100.0%"),
        (None, "unknown"),
    ],
)
def test_a_share_is_not_rounded_to_nothing_or_all(share: float | None, text: str) -> None:
    assert shown.percent(share) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.0213, "0.021"), (9.87, "9.9"), (1234.5, "1,234")])
def test_a_slow_rate_is_not_rounded_to_nothing(value: float, text: str) -> None:
    assert shown.rate(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 seeds"), (1, "1 seed"), (1200, "1,200 seeds")])
def test_a_noun_fits_its_count(count: int, text: str) -> None:
    assert shown.plural(count, "seed") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
        (None, "?"),
    ],
)
def test_seconds_are_shown_as_on_a_clock(seconds: float | None, text: str) -> None:
    """Minutes and seconds, hours where there are any, days as hours."""
    assert shown.duration(seconds) == text
