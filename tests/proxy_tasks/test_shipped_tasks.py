"""The shipped tasks and their sisters: real data, the arithmetic they promise, training from end to end."""

from __future__ import annotations

import jax
import pytest

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.problems.examples import DataError
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.tasks import SCALES, TASKS, find_task
from lion_search.proxy_tasks.training.batched import Sizes
from lion_search.proxy_tasks.training.evaluator import Evaluator
from lion_search.proxy_tasks.training.modes import Mode
from lion_search.proxy_tasks.training.optax_rules import Optax
from lion_search.proxy_tasks.training.prepare import FlatProblem, prepare, step_shapes


def prepared(reference: str) -> FlatProblem:
    try:
        return prepare(find_task(reference))
    except DataError as error:
        pytest.skip(f"needs what scripts/get_data.sh fetches: {error}")


def flops(reference: str) -> float:
    """Floating-point operations of a training's gradients, as XLA counts them."""
    problem = prepared(reference)
    cost = jax.jit(problem.gradient).lower(*step_shapes(problem)).cost_analysis()
    return float(cost["flops"]) * problem.task.num_steps


@pytest.mark.parametrize("name", TASKS)
def test_sisters_take_10_and_100_times_the_arithmetic(name: str) -> None:
    own, tenfold, hundredfold = (flops(f"{name}?scale={scale}") for scale in SCALES)
    assert 8 < tenfold / own < 12.5
    assert 80 < hundredfold / own < 125


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_the_metric_that_it_reports(name: str) -> None:
    problem = find_task(name)
    try:
        assert problem.reported in problem.problem().all_metrics()
    except DataError as error:
        pytest.skip(f"needs what scripts/get_data.sh fetches: {error}")


@pytest.mark.parametrize("name", ["diabetes", "poisson"])
def test_adamw_lowers_loss_and_metric_in_few_steps(name: str) -> None:
    """Here for what needs no file and is trained in no time; for all with --large."""
    for metric in ("loss", find_task(name).reported):
        evaluator = Evaluator(f"{name}?metric={metric},steps=60")
        start, end = (
            evaluator.evaluate(Optax("adamw", (("learning_rate", rate),)), Part.TEST, [0])[0].loss
            for rate in (0.0, 0.01)
        )
        assert start is not None
        assert end is not None
        assert end < 0.8 * start


PAPER = ("paper_vit", "paper_lm")


@pytest.mark.parametrize(
    ("name", "weights", "classes"), [("paper_vit", 361_642, 10), ("paper_lm", 783_872, 3_000)]
)
def test_a_network_of_the_paper_has_its_size(name: str, weights: int, classes: int) -> None:
    """3 layers of 12 x 96^2 and patches of 16^2; 2 of 12 x 128^2 and 3,000 embeddings; and what is small."""
    problem = prepared(name)
    assert problem.layout.size == weights
    assert problem.task.problem().num_classes == classes


@pytest.mark.large
@pytest.mark.parametrize("name", PAPER)
def test_a_network_of_the_paper_is_trained_alike_one_by_one_and_in_batches(name: str) -> None:
    reference, part, adamw = f"{name}?steps=4,batch_size=4", Part.TEST, library_program("adamw")
    alone = Evaluator(reference, Mode.COMPILED).evaluate(adamw, part, [0, 1])
    for mode in (Mode.COMPILED, Mode.BATCHED):
        together = Evaluator(reference, mode, Sizes(2, 2, 2)).evaluate(adamw, part, [0, 1])
        assert [s.loss for s in together] == pytest.approx([s.loss for s in alone], rel=1e-4)


@pytest.mark.large
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", TASKS)
def test_a_training_runs_from_end_to_end(name: str, scale: int) -> None:
    """A tenth of a sister's steps, or twenty; its loss falls below that of the untrained network."""
    reference = f"{name}?scale={scale}"
    steps = 20 if name in PAPER else max(2, prepared(reference).task.num_steps // 10)
    evaluator = Evaluator(f"{reference},steps={steps}")
    (own,) = evaluator.evaluate(library_program("adamw"), Part.TEST, [0])
    untrained = Evaluator(f"{reference},steps=1")
    (start,) = untrained.evaluate(library_program("sgd"), Part.TEST, [0])
    assert own.status is start.status is Status.OK
    assert own.loss is not None
    assert start.loss is not None
    assert own.loss < start.loss
