"""Fitness relative to the baseline on the same seeds, and what is taken off it."""

from __future__ import annotations

import math
import statistics

import pytest

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.results.judge import Judge, JudgeSettings

BASELINE_LOSSES = (0.2, 0.4, 0.3, 0.6)


def scores(losses: dict[int, float | None] | tuple[float, ...], task: str = "a") -> list[Score]:
    """By seed."""
    items = losses.items() if isinstance(losses, dict) else enumerate(losses)
    return [
        Score(task, Part.VALIDATION, seed, Status.DIVERGED if x is None else Status.OK, x, 9, 0.1)
        for seed, x in items
    ]


BOTH = [*scores(BASELINE_LOSSES), *scores((1.0, 3.0), "b")]
JUDGE = Judge(BOTH)


def test_the_baseline_itself_has_fitness_zero_on_any_seeds() -> None:
    for seeds in ((0,), (3,), (1, 2), (0, 1, 2, 3)):
        own = scores({seed: BASELINE_LOSSES[seed] for seed in seeds})
        assert JUDGE.fitness(own) == pytest.approx(0)


def test_fitness_compares_means_on_the_same_seeds() -> None:
    assert JUDGE.fitness(scores({1: 0.1, 3: 0.3})) == pytest.approx(math.log(0.5 / 0.2))
    assert JUDGE.fitness(scores({0: 0.1})) == pytest.approx(math.log(2))


def test_fitness_is_the_mean_over_tasks() -> None:
    own = [*scores({0: 0.1}), *scores({0: 2.0, 1: 4.0}, "b")]
    assert JUDGE.fitness(own) == pytest.approx((math.log(2) + math.log(2 / 3)) / 2)


def test_of_two_bad_programs_the_less_bad_is_fitter() -> None:
    assert JUDGE.fitness(scores({0: 1e8})) > JUDGE.fitness(scores({0: 1e9})) > -math.inf


@pytest.mark.parametrize("own", [[], scores({0: 1e-9, 1: None})], ids=["nothing", "one failed"])
def test_a_failure_is_below_all_that_train(own: list[Score]) -> None:
    assert JUDGE.fitness(own) == -math.inf


def test_the_noise_of_a_seed_is_that_of_the_baselines_logarithms() -> None:
    deviation = statistics.stdev([math.log(x) for x in BASELINE_LOSSES])
    assert JUDGE.standard_error(scores({0: 9.0})) == pytest.approx(deviation)
    assert JUDGE.standard_error(scores({0: 9.0, 1: 5.0, 2: 1.0})) == pytest.approx(deviation / math.sqrt(3))


def test_errors_of_tasks_add_up_as_those_of_a_mean() -> None:
    a = statistics.variance([math.log(x) for x in BASELINE_LOSSES]) / 2
    b = statistics.variance([0.0, math.log(3)]) / 1
    own = [*scores({0: 9.0, 1: 5.0}), *scores({0: 9.0}, "b")]
    assert JUDGE.standard_error(own) == pytest.approx(math.sqrt(a + b) / 2)


def test_a_baseline_of_one_seed_has_no_noise() -> None:
    assert Judge(scores({0: 0.3})).standard_error(scores({0: 0.1})) == 0


@pytest.mark.parametrize("caution", [0.0, 0.5, 2.0])
def test_caution_takes_off_standard_errors(caution: float) -> None:
    judge, own = Judge(BOTH, JudgeSettings(caution)), scores({0: 0.1, 1: 0.3})
    assert judge.cautious(own) == pytest.approx(judge.fitness(own) - caution * judge.standard_error(own))
    assert judge.fitness(own) == JUDGE.fitness(own)


def test_a_cautious_failure_is_as_low_as_a_failure_can_be() -> None:
    assert Judge(BOTH, JudgeSettings(3.0)).cautious(scores({0: 0.1, 1: None})) == -math.inf


def test_states_and_statements_have_prices() -> None:
    judge = Judge(BOTH, JudgeSettings(state_price=0.1, statement_price=0.01))
    assert judge.price(2, 7) == pytest.approx(0.27)
    assert judge.settings.has_prices
    assert JUDGE.price(2, 7) == 0
    assert not JUDGE.settings.has_prices
    assert JudgeSettings(statement_price=0.01).has_prices


def test_a_baseline_that_failed_is_refused() -> None:
    with pytest.raises(TaskError, match="the baseline cannot be trained"):
        Judge(scores({0: 0.1, 1: None}))


@pytest.mark.parametrize("loss", [0.0, -0.4])
def test_a_baseline_loss_that_has_no_ratio_is_refused_with_the_way_out(loss: float) -> None:
    with pytest.raises(TaskError, match=r"^task 'a': tuned AdamW, on seed 1, .*: 'a\?fitness=difference'$"):
        Judge(scores({0: 0.5, 1: loss}))


def test_by_difference_a_baselines_loss_may_be_anything_and_its_noise_is_in_units() -> None:
    task = "a?fitness=difference,unit=0.1"
    judge = Judge(scores((-0.4, 0.0, 0.2), task))
    assert judge.fitness(scores({0: -0.45}, task)) == pytest.approx(0.5)
    deviation = statistics.stdev([-4.0, 0.0, 2.0])
    assert judge.standard_error(scores({0: 1.0}, task)) == pytest.approx(deviation)
