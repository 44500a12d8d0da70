"""From raw losses to fitness."""

from __future__ import annotations

import math

import pytest

from lion_search.proxy_tasks.scores import (
    Part,
    Score,
    Status,
    fitness,
    mean_losses,
    overall_status,
    required_mean_losses,
    standard_error,
)
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.failures import failed
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind


def score(loss: float, task: str = "a", seed: int = 0) -> Score:
    return Score(task, Part.VALIDATION, seed, Status.OK, loss, 250, 0.01)


def failure(status: Status = Status.DIVERGED, task: str = "a") -> Score:
    return Score(task, Part.VALIDATION, 7, status, None, 3, 0.01, "not finite after step 3 of 250")


def test_parity_with_the_baseline_is_zero() -> None:
    assert fitness([score(0.2, seed=0), score(0.4, seed=1)], {"a": 0.3}) == pytest.approx(0, abs=1e-12)


def test_fitness_is_the_log_of_the_baselines_loss_over_the_loss() -> None:
    assert fitness([score(0.2)], {"a": 0.3}) == pytest.approx(math.log(0.3 / 0.2))
    assert fitness([score(0.3)], {"a": 0.2}) == pytest.approx(-math.log(0.3 / 0.2))


def test_fitness_is_the_mean_over_tasks_not_over_trainings() -> None:
    scores = [score(0.2, "a", 0), score(0.2, "a", 1), score(0.2, "a", 2), score(0.5, "b", 0)]
    expected = (math.log(0.3 / 0.2) + math.log(0.4 / 0.5)) / 2
    assert fitness(scores, {"a": 0.3, "b": 0.4}) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["a", "a?fitness=difference"])
def test_of_two_bad_programs_the_less_bad_is_fitter(task: str) -> None:
    assert fitness([score(1e8, task)], {task: 0.3}) > fitness([score(1e9, task)], {task: 0.3}) > -math.inf


@pytest.mark.parametrize("task", ["a", "a?fitness=difference", "a?fitness=difference,unit=0.1"])
def test_the_order_of_losses_better_than_the_baselines_is_never_lost(task: str) -> None:
    """Ten times better, a million times, zero, and below."""
    losses = [0.3, 0.11, 0.03, 3e-4, 1e-5, 1e-6, 1e-9, 0.0, -1e-9, -0.3, -1e6, -3e38]
    found = [fitness([score(loss, task)], {task: 0.3}) for loss in losses]
    assert found == sorted(set(found))


def test_below_a_thousandth_of_the_baselines_loss_the_logarithm_goes_on_as_its_tangent() -> None:
    at, below = (fitness([score(0.3 * ratio)], {"a": 0.3}) for ratio in (1e-3, 0.9e-3))
    assert at == pytest.approx(math.log(1000))
    assert below - at == pytest.approx(0.1)


@pytest.mark.parametrize(("unit", "expected"), [("", 0.2), (",unit=0.5", 0.4), (",unit=10", 0.02)])
def test_a_difference_is_in_units_and_any_sign_will_do(unit: str, expected: float) -> None:
    task = f"mine:negative?fitness=difference{unit}"
    for baseline in (0.1, 0.0, -0.9):
        assert fitness([score(baseline - 0.2, task)], {task: baseline}) == pytest.approx(expected)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.OK])
def test_any_failure_is_below_all(status: Status) -> None:
    assert fitness([score(0.01, "b"), failure(status)], {"a": 0.3, "b": 0.3}) == -math.inf


def test_no_score_is_a_failure() -> None:
    assert fitness([], {"a": 0.3}) == -math.inf


def test_mean_losses_are_by_task_over_seeds() -> None:
    scores = [score(0.2, "a", 0), score(0.4, "a", 1), score(1.0, "b", 0)]
    assert mean_losses(scores) == pytest.approx({"a": 0.3, "b": 1.0})


def test_there_are_no_mean_losses_if_a_training_failed() -> None:
    assert mean_losses([score(0.2), failure()]) is None


def test_a_baseline_that_fails_is_an_error_that_says_why() -> None:
    with pytest.raises(TaskError, match=r"seed 7 on task 'a' diverged: not finite after step 3 of 250"):
        required_mean_losses([score(0.2), failure()])


def test_no_training_of_a_baseline_is_an_error() -> None:
    with pytest.raises(TaskError, match="no training"):
        required_mean_losses([])


def test_a_training_that_was_stopped_counts_as_a_failure_though_it_has_a_loss() -> None:
    """Its loss was measured part way and must not stand beside those of whole trainings."""
    stopped = Score("a", Part.VALIDATION, 7, Status.STOPPED, 0.01, 3, 0.01, "did not pass")
    assert fitness([score(0.2), stopped], {"a": 0.3}) == -math.inf
    assert mean_losses([score(0.2), stopped]) is None
    assert overall_status([score(0.2), stopped]) is Status.STOPPED


def test_the_overall_status_is_that_of_the_first_failure() -> None:
    assert overall_status([]) is Status.OK
    assert overall_status([score(0.2), score(0.3)]) is Status.OK
    assert overall_status([score(0.2), failure(Status.CRASHED), failure()]) is Status.CRASHED


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FailureKind.RAISED, Status.CRASHED),
        (FailureKind.DIED, Status.CRASHED),
        (FailureKind.TIMED_OUT, Status.TIMED_OUT),
        (FailureKind.OUT_OF_MEMORY, Status.OUT_OF_MEMORY),
    ],
)
def test_what_a_worker_could_not_finish_is_a_score_with_its_reason(kind: FailureKind, status: Status) -> None:
    found = failed("a", Part.TEST, 5, Failure(kind, "too slow"))
    assert found == Score("a", Part.TEST, 5, status, None, 0, 0.0, "too slow")


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_of_a_job_is_a_failure_of_its_training(kind: FailureKind) -> None:
    assert fitness([failed("a", Part.TEST, 5, Failure(kind, ""))], {"a": 0.3}) == -math.inf


def test_the_standard_error_is_that_of_the_mean() -> None:
    """Sample deviation of 1, 2, 3, 4 over the root of 4."""
    assert standard_error([1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(5 / 3) / 2)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_values_have_no_standard_error(values: list[float]) -> None:
    assert math.isnan(standard_error(values))
