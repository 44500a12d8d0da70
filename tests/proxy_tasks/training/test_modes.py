"""How programs are run is decided once, from static costs."""

from __future__ import annotations

from dataclasses import replace

import own_tasks
import pytest

from lion_search.proxy_tasks.training.evaluator import Evaluator
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.modes import Mode, choose_mode
from lion_search.proxy_tasks.training.prepare import FlatProblem, prepare


def problem(num_weights: int, num_steps: int) -> FlatProblem:
    """One whose weights and steps are stated and nothing else matters."""
    task = replace(own_tasks.tiny(), num_steps=num_steps)
    return replace(prepare(task), layout=Layout(((num_weights,),)))


@pytest.mark.parametrize("platform", ["gpu", "tpu", "cuda", "rocm"])
@pytest.mark.parametrize("num_weights", [10, 10_000_000])
def test_on_an_accelerator_many_programs_run_in_step(platform: str, num_weights: int) -> None:
    assert choose_mode(problem(num_weights, 1000), platform) is Mode.BATCHED


def test_on_a_cpu_a_short_training_is_interpreted() -> None:
    assert choose_mode(problem(2410, 250), "cpu") is Mode.INTERPRETED


@pytest.mark.parametrize(("num_weights", "num_steps"), [(1_000_000, 1000), (10_000, 100_000)])
def test_on_a_cpu_a_training_that_takes_longer_than_a_compilation_is_compiled(
    num_weights: int, num_steps: int
) -> None:
    assert choose_mode(problem(num_weights, num_steps), "cpu") is Mode.COMPILED


def test_an_evaluator_takes_the_mode_it_is_given_and_else_the_fastest() -> None:
    assert Evaluator("own_tasks:tiny").mode is Mode.INTERPRETED
    assert Evaluator("own_tasks:tiny", Mode.BATCHED).mode is Mode.BATCHED
