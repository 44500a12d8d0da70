"""The sequential test keeps its promise on simulated differences, and accepts what costs nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lion_search.simplify.experiments.trials import DEFAULT_SETTINGS, TrialSettings, Verdict, look


def run(mean: float, noise: float, seed: int, settings: TrialSettings) -> tuple[Verdict, int]:
    """A whole trial on differences of a normal distribution: how it ends, and after how many seeds."""
    rng = random.Random(seed)
    differences: list[float] = []
    for count in settings.looks:
        differences += [rng.gauss(mean, noise) for _ in range(count - len(differences))]
        verdict = look([differences], settings).verdict
        if verdict is not Verdict.OPEN:
            return verdict, count
    raise AssertionError("the last look decides")


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
def test_a_loss_of_the_margin_is_accepted_as_rarely_as_promised(noise: float) -> None:
    """With one try allowed the error is the whole trial's, all looks together."""
    settings = replace(DEFAULT_SETTINGS, max_tries=1, error=0.05)
    accepted = sum(run(-settings.margin, noise, i, settings)[0] is Verdict.ACCEPTED for i in range(1000))
    assert accepted <= 70  # 50 and three standard errors


def test_many_tries_make_each_more_careful() -> None:
    """Of 400 changes that lose the margin at most one in twenty families of tries accepts any."""
    accepted = sum(
        run(-DEFAULT_SETTINGS.margin, 0.05, i, DEFAULT_SETTINGS)[0] is Verdict.ACCEPTED for i in range(2000)
    )
    assert accepted <= 2  # of five families: 0.25 are expected at most


def test_a_test_that_ignored_looks_and_tries_would_be_caught() -> None:
    """The same simulation with the error not divided accepts far too often."""
    careless = replace(DEFAULT_SETTINGS, max_tries=1, error=0.05 * len(DEFAULT_SETTINGS.looks))
    accepted = sum(run(-careless.margin, 0.05, i, careless)[0] is Verdict.ACCEPTED for i in range(1000))
    assert accepted > 100


@pytest.mark.parametrize(("noise", "seeds"), [(0.0, 8), (0.02, 32), (0.08, 256)])
def test_a_change_that_costs_nothing_is_accepted_in_time(noise: float, seeds: int) -> None:
    ends = [run(0.0, noise, i, DEFAULT_SETTINGS) for i in range(100)]
    assert sum(verdict is Verdict.ACCEPTED and count <= seeds for verdict, count in ends) >= 90


def test_a_clear_loss_is_rejected_at_the_first_look() -> None:
    assert {run(-0.5, 0.05, i, DEFAULT_SETTINGS) for i in range(50)} == {(Verdict.REJECTED, 8)}


def test_rejecting_early_seldom_loses_what_would_have_been_accepted() -> None:
    """Where a change that costs nothing is accepted at the last look, looks before it did not reject it."""
    patient = replace(DEFAULT_SETTINGS, looks=(512,), error=DEFAULT_SETTINGS.error / 7)
    accepted = [i for i in range(300) if run(0.0, 0.1, i, patient)[0] is Verdict.ACCEPTED]
    lost = [i for i in accepted if run(0.0, 0.1, i, DEFAULT_SETTINGS)[0] is not Verdict.ACCEPTED]
    assert len(accepted) > 200
    assert len(lost) <= len(accepted) / 10


def test_a_change_must_not_lose_against_any_of_those_it_is_compared_with() -> None:
    good, bad = [0.001, 0.0] * 8, [-0.2, -0.201] * 8
    found = look([good, bad], DEFAULT_SETTINGS)
    assert found.verdict is Verdict.REJECTED
    assert found.gain == pytest.approx(-0.2005)
    assert found.is_clear_loss
    assert look([good, good], DEFAULT_SETTINGS).verdict is Verdict.ACCEPTED
