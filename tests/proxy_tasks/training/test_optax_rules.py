"""Optax optimizers by reference: the same as optax itself, whatever their state, or refused at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from by_hand import trajectory

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.export.about import About
from lion_search.dsl.export.optax_code import to_optax
from lion_search.dsl.imports import UserCodeError
from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.reference_options import OptionError
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.training.evaluator import evaluator
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.optax_rules import (
    Optax,
    OptimizerError,
    _families,
    find_family,
    read_optax,
)
from lion_search.proxy_tasks.training.update_rules import Interpreted, LossRule

LAYOUT = Layout(((3, 2), (2,)))
RATES = (1.0, 0.7, 0.4, 0.1)


def _gradients() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.standard_normal((len(RATES), LAYOUT.size)).astype(np.float32))


GRADIENTS = _gradients()
WEIGHTS = np.random.default_rng(2).standard_normal(LAYOUT.size).astype(np.float32)


def path(optimizer: Optax, rates: tuple[float, ...] = RATES) -> np.ndarray:
    """Weights ``[steps, N]`` by the rule."""
    _, rule, theta = optimizer.bind(LAYOUT)
    weights, found = jnp.asarray(WEIGHTS), []
    state = rule.init(theta, weights)
    for gradient, rate in zip(GRADIENTS, rates, strict=True):
        update, state = rule.update(theta, weights, jnp.asarray(gradient), state, jnp.float32(rate))
        weights = weights - update
        found.append(np.asarray(weights))
    return np.stack(found)


def optax_path(optimizer: optax.GradientTransformation) -> np.ndarray:
    """The same by optax alone."""
    params, found = LAYOUT.split(jnp.asarray(WEIGHTS)), []
    state = optimizer.init(params)
    for gradient in GRADIENTS:
        updates, state = optimizer.update(LAYOUT.split(jnp.asarray(gradient)), state, params)
        params = optax.apply_updates(params, updates)
        found.append(np.asarray(LAYOUT.join(params)))
    return np.stack(found)


def schedule(count: Any) -> jax.Array:
    return jnp.asarray(RATES)[count]


REFUSED = ("dpsgd", "schedule_free", "sophia")
OF_THE_LOSS = ("lbfgs", "momo", "momo_adam", "polyak_sgd")
FAMILIES = tuple(name for name in sorted(_families()) if name not in (*REFUSED, *OF_THE_LOSS))
CONSTANT = (1.0,) * len(RATES)
USUAL = (
    "adagrad",
    "adam",
    "adamw",
    "dowg",
    "lion",
    "prodigy",
    "rmsprop",
    "schedule_free_sgd",
    "sgd",
    "sign_sgd",
)


@pytest.mark.parametrize(
    "name",
    [name if name in USUAL else pytest.param(name, marks=pytest.mark.large) for name in FAMILIES],
)
def test_an_optimizer_by_name_is_optaxs_own(name: str) -> None:
    """Also where its state begins with the weights, as a running average of them does."""
    found = path(read_optax(f"optax:{name}?learning_rate=0.05"), CONSTANT)
    expected = optax_path(_families()[name](learning_rate=0.05))
    assert np.isfinite(found).all()
    assert not np.array_equal(found[-1], WEIGHTS)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


SCHEDULED = {
    "sgd with momentum": {"momentum": 0.9, "nesterov": True},
    "adamw": {"b1": 0.8, "b2": 0.95, "weight_decay": 0.3},
    "nadamw": {"weight_decay": 0.3, "nesterov": True},
    "lion": {"b1": 0.8, "weight_decay": 0.3},
    "rmsprop": {"decay": 0.5, "centered": True},
}


@pytest.mark.parametrize("case", SCHEDULED)
def test_the_learning_rate_is_its_peak_times_the_schedule(case: str) -> None:
    name = {"nadamw": "adamw"}.get(case, case.partition(" ")[0])
    hyperparameters = {"learning_rate": 0.05, **SCHEDULED[case]}
    found = path(Optax(name, tuple(hyperparameters.items())))
    rest = {**hyperparameters, "learning_rate": lambda count: 0.05 * schedule(count)}
    np.testing.assert_allclose(found, optax_path(getattr(optax, name)(**rest)), rtol=1e-5, atol=1e-7)


def test_adamw_is_the_published_one() -> None:
    """Loshchilov and Hutter (2019), Algorithm 2, in float64: bias correction, decay times the rate."""
    rate, decay, b1, b2 = 0.02, 0.3, 0.8, 0.95
    first, second, weights = np.zeros(LAYOUT.size), np.zeros(LAYOUT.size), WEIGHTS.astype(float)
    for count, (g, scheduled) in enumerate(zip(GRADIENTS, RATES, strict=True), start=1):
        first = b1 * first + (1 - b1) * g
        second = b2 * second + (1 - b2) * g.astype(float) ** 2
        adam = (first / (1 - b1**count)) / (np.sqrt(second / (1 - b2**count)) + 1e-8)
        weights = weights - scheduled * rate * (adam + decay * weights)
    found = path(read_optax(f"adamw?learning_rate={rate},weight_decay={decay},b1={b1},b2={b2}"))[-1]
    np.testing.assert_allclose(found, weights, rtol=1e-4)


def test_lion_is_the_published_one() -> None:
    """Chen et al. (2023), Algorithm 2, in float64."""
    rate, decay, b1, b2 = 0.02, 0.3, 0.8, 0.95
    momentum, weights = np.zeros(LAYOUT.size), WEIGHTS.astype(float)
    for g, scheduled in zip(GRADIENTS, RATES, strict=True):
        direction = np.sign(b1 * momentum + (1 - b1) * g)
        weights = weights - scheduled * rate * (direction + decay * weights)
        momentum = b2 * momentum + (1 - b2) * g
    found = path(read_optax(f"lion?learning_rate={rate},weight_decay={decay},b1={b1},b2={b2}"))[-1]
    np.testing.assert_allclose(found, weights, rtol=1e-4)


# Through the one door.


def final_loss(optimizer: Any, task: str = "own_tasks:tiny", seed: int = 2) -> float:
    (score,) = evaluator(task, None).evaluate(optimizer, Part.VALIDATION, [seed])
    assert score.status is Status.OK
    assert score.loss is not None
    return score.loss


@pytest.mark.parametrize(
    "reference",
    [
        "sgd?learning_rate=0.3,momentum=0.5",
        "adamw?learning_rate=0.05,weight_decay=0.1",
    ],
)
def test_a_training_ends_where_optax_ends(reference: str) -> None:
    optimizer = read_optax(reference)
    rest = dict(optimizer.hyperparameters)
    peak = rest.pop("learning_rate")
    problem = evaluator("own_tasks:tiny", None).problem
    make = find_family(optimizer.family)
    weights = trajectory(problem, 2, lambda rate: make(lambda count: peak * rate(count), **rest))[-1]
    expected = float(problem.loss(weights, problem.validation))
    assert final_loss(optimizer) == pytest.approx(expected, rel=1e-4)


OWN_SEARCHES = """
import optax

def backtracking(rate):
    return optax.chain(optax.sgd(rate), optax.scale_by_backtracking_linesearch(10, store_grad=True))

def zoom(rate):
    return optax.chain(optax.sgd(rate), optax.scale_by_zoom_linesearch(10, max_learning_rate=1.0))

def plateau(rate):
    return optax.chain(optax.sgd(rate), optax.contrib.reduce_on_plateau(patience=1))
"""


@pytest.mark.parametrize(
    "reference",
    [
        "momo?learning_rate=0.1",
        "polyak_sgd?max_learning_rate=1.0,f_min=0.1",
        "lbfgs?learning_rate=1",
        "own_searches.py:backtracking?rate=4",
        "own_searches.py:zoom?rate=1",
        "own_searches.py:plateau?rate=0.3",
    ],
)
def test_what_needs_the_loss_of_the_batch_gets_it(folder: Path, reference: str) -> None:
    (folder / "own_searches.py").write_text(OWN_SEARCHES)
    optimizer = read_optax(reference)
    task = "own_tasks:tiny?schedule=constant"
    problem = evaluator(task, None).problem
    make, rest = find_family(optimizer.family), dict(optimizer.hyperparameters)
    weights = trajectory(problem, 2, lambda _: make(**rest))[-1]
    expected = float(problem.loss(weights, problem.validation))
    assert final_loss(optimizer, task) == pytest.approx(expected, rel=1e-3)


def test_what_needs_no_loss_does_without() -> None:
    """Also where optax would take it, as every chain does."""
    for name in ("sgd", "prodigy"):
        assert not isinstance(read_optax(f"{name}?learning_rate=1").bind(LAYOUT).rule, LossRule)


OWN_AVERAGES = """
import optax

def plain(learning_rate):
    return optax.contrib.schedule_free_sgd(learning_rate, b1=0.8)

def after_another(learning_rate):
    return optax.chain(optax.clip(1e9), plain(learning_rate))

def inside_another(learning_rate):
    return optax.MultiSteps(plain(learning_rate), 1)

def twice(learning_rate):
    return optax.chain(plain(learning_rate), plain(learning_rate))

def of_some(learning_rate):
    other = optax.sgd(learning_rate)
    return optax.partition({2: plain(learning_rate), 1: other}, lambda ws: tuple(w.ndim for w in ws))
"""


@pytest.mark.parametrize("name", ["twice", "of_some"])
def test_an_average_that_is_not_of_all_weights_at_once_is_refused(folder: Path, name: str) -> None:
    (folder / "own_averages.py").write_text(OWN_AVERAGES)
    with pytest.raises(OptimizerError, match="averages weights in several places, or only"):
        read_optax(f"own_averages.py:{name}?learning_rate=0.1")


@pytest.mark.parametrize("name", ["plain", "after_another", "inside_another"])
def test_an_optimizer_that_averages_weights_is_scored_at_the_average(folder: Path, name: str) -> None:
    """Defazio et al. (2024), equations 1 to 3: the average x is scored, gradients are taken at y."""
    (folder / "own_averages.py").write_text(OWN_AVERAGES)
    layout, rate, beta = Layout(((1,),)), 0.3, 0.8
    _, rule, theta = read_optax(f"own_averages.py:{name}?learning_rate={rate}").bind(layout)
    y = jnp.ones(1)
    state = rule.init(theta, y)
    x = z = 1.0
    for count in range(1, 4):
        z -= rate * (beta * x + (1 - beta) * z)  # the gradient of y^2 / 2 is y
        x += (z - x) / count
        update, state = rule.update(theta, y, y, state, jnp.float32(1))
        y -= update
    np.testing.assert_allclose(rule.weights_to_score(theta, y, state), x, rtol=1e-5)
    np.testing.assert_allclose(y, beta * x + (1 - beta) * z, rtol=1e-5)


@pytest.mark.large
@pytest.mark.parametrize("name", FAMILIES)
def test_every_optimizer_by_name_trains(name: str) -> None:
    untrained = final_loss(Optax("sgd", (("learning_rate", 0.0),)))
    found = final_loss(read_optax(f"optax:{name}?learning_rate=0.01"))
    assert found < 1.5 * untrained


# Numbers are data, truth values are code.


def test_other_numbers_need_no_other_code() -> None:
    one, other = (read_optax(f"adamw?learning_rate={r},b1={b}") for r, b in ((0.1, 0.9), (0.2, 0.5)))
    assert one.bind(LAYOUT).key == other.bind(LAYOUT).key
    _, rule, _ = one.bind(LAYOUT)
    theta = other.bind(LAYOUT).theta
    weights, gradient = jnp.asarray(WEIGHTS), jnp.asarray(GRADIENTS[0])
    update, _ = rule.update(theta, weights, gradient, rule.init(theta, weights), jnp.float32(1))
    np.testing.assert_array_equal(weights - update, path(other)[0])


@pytest.mark.parametrize(
    "other",
    [
        "sgd?learning_rate=0.1,momentum=0.9,nesterov=true",
        "sgd?learning_rate=0.1",
        "signum?learning_rate=0.1",
    ],
)
def test_other_flags_arguments_or_names_are_other_code(other: str) -> None:
    one = read_optax("sgd?learning_rate=0.1,momentum=0.9,nesterov=false")
    assert one.bind(LAYOUT).key != read_optax(other).bind(LAYOUT).key


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("nesterov=true", True),
        ("nesterov=False", False),
        ("nesterov=1", True),
        ("momentum=1e-3", 1e-3),
        ("momentum=none", None),
        ("accumulator_dtype=bfloat16", "bfloat16"),
    ],
)
def test_an_argument_is_read_as_what_it_is(argument: str, value: Any) -> None:
    ((_, found), _) = read_optax(f"sgd?{argument},learning_rate=1").hyperparameters
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("sgd?momentum=0.9,nesterov=1", optax.sgd(0.05, 0.9, nesterov=True)),
        ("adafactor?min_dim_size_to_factor=2", optax.adafactor(0.05, min_dim_size_to_factor=2)),
        ("muon?ns_steps=3", optax.contrib.muon(0.05, ns_steps=3)),
        ("noisy_sgd?key=3", optax.noisy_sgd(0.05, key=3)),
        ("schedule_free_sgd?warmup_steps=2", optax.contrib.schedule_free_sgd(0.05, warmup_steps=2)),
        ("adafactor?clipping_threshold=none", optax.adafactor(0.05, clipping_threshold=None)),
        ("nadamw?weight_decay=0.1", optax.nadamw(0.05, weight_decay=0.1)),
        ("optimistic_adam_v2?nesterov=0", optax.optimistic_adam_v2(0.05, nesterov=False)),
        ("muon?adam_learning_rate=0.5", optax.contrib.muon(0.05, adam_learning_rate=0.5)),
    ],
)  # fmt: skip
def test_what_decides_what_is_computed_is_no_data(reference: str, expected: Any) -> None:
    """Truth values, whole numbers of steps and sizes, keys, nothing at all."""
    found = path(read_optax(f"{reference},learning_rate=0.05"), CONSTANT)
    np.testing.assert_allclose(found, optax_path(expected), rtol=1e-4, atol=1e-6)


def test_a_second_learning_rate_follows_the_schedule_too() -> None:
    found = path(read_optax("muon?learning_rate=0.02,adam_learning_rate=0.5"))
    scheduled = [lambda count, peak=peak: peak * schedule(count) for peak in (0.02, 0.5)]
    expected = optax_path(optax.contrib.muon(scheduled[0], adam_learning_rate=scheduled[1]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_prefix_may_be_left_out() -> None:
    assert read_optax("optax:sgd?learning_rate=1") == read_optax("sgd?learning_rate=1")
    assert read_optax("sgd?learning_rate=1") == Optax("sgd", (("learning_rate", 1.0),))


# Errors.


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        (
            "adamv?learning_rate=1",
            OptimizerError,
            r"optax has no optimizer 'adamv'; did you mean 'adam'\?; the",
        ),
        ("adamW?learning_rate=1", OptimizerError, r"no optimizer 'adamW'; did you mean 'adamw'\?; the"),
        ("scale_by_adam", OptimizerError, "optax's 'scale_by_adam' is no optimizer by itself"),
        ("lookahead", OptimizerError, "optax's 'lookahead' is no optimizer by itself"),
        ("adamw?lr=1", OptimizerError, r"argument 'lr'; did you mean 'learning_rate'\?; there are: learn"),
        (
            "adamw?weigth_decay=1",
            OptimizerError,
            r"no argument 'weigth_decay'; did you mean 'weight_decay'\?",
        ),
        (
            "adamw",
            OptimizerError,
            r"'adamw' needs learning_rate; for example optax:adamw\?learning_rate=0.001",
        ),
        (
            "dpsgd?learning_rate=1",
            OptimizerError,
            "'dpsgd' needs l2_norm_clip, noise_multiplier, seed; for ex",
        ),
        ("adamw?learning_rate=fast", OptimizerError, "learning_rate=fast: expected a finite number"),
        ("adamw?learning_rate=nan", OptimizerError, "learning_rate=nan: expected a finite number"),
        ("adamw?learning_rate=true", OptimizerError, "learning_rate=true: expected a finite number"),
        ("adamw?learning_rate=1,b1=word", OptimizerError, "b1=word: expected a finite number"),
        ("adamw?learning_rate=1,nesterov=2", OptimizerError, "nesterov=2: expected true or false"),
        ("adamw?learning_rate=1,mu_dtype=bfloat", OptimizerError, "mu_dtype=bfloat: expected a dtype"),
        ("adamw?learning_rate=1,mask=1", OptimizerError, "mask=1: takes a function or several values"),
        ("prodigy?betas=0.9", OptimizerError, "betas=0.9: takes a function or several values; make one in a"),
        ("adopt?learning_rate=1,clip_value_fn=f", OptimizerError, "clip_value_fn=f: takes a function or"),
        ("galore?learning_rate=1,rank=2.5", OptimizerError, "'galore' cannot be scored: TypeError"),
        (
            "ademamix?learning_rate=1,mu_dtype=bfloat16",
            OptimizerError,
            "TypeError: scan body .* they differ: ",
        ),
        (
            "dpsgd?learning_rate=1,l2_norm_clip=1,noise_multiplier=1,seed=1",
            OptimizerError,
            "'dpsgd' cannot be scored: ValueError: .*batch dimension",
        ),
        ("adamw?learning_rate", OptionError, "expected key=value after '.', found 'learning_rate'"),
        ("sophia?learning_rate=1", OptimizerError, "'sophia' cannot be scored: ValueError"),
        ("schedule_free?learning_rate=1", OptimizerError, "needs base_optimizer, which is no number or word"),
        ("no_such_module:sgd", UserCodeError, "cannot import optimizer 'no_such_module:sgd'"),
        ("os:getcwd", OptimizerError, "'os:getcwd' cannot be scored: AttributeError"),
        ("none.py:make", OptimizerError, "no file 'none.py'"),
        ("none.py", OptimizerError, "'none.py': expected optax:FILE.py:FUNCTION"),
    ],
)
def test_what_cannot_be_scored_is_refused_at_once(reference: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read_optax(f"optax:{reference}")
    assert isinstance(caught.value, LionSearchError)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_all() -> None:
    with pytest.raises(OptimizerError) as caught:
        find_family("adamv")
    assert all(name in str(caught.value) for name in ("adamw", "lion", "sgd", "prodigy", "muon"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_listed_but_needs_more_than_a_gradient_is_refused(name: str) -> None:
    with pytest.raises(OptimizerError, match=f"'{name}' (cannot be scored|needs)"):
        read_optax(f"{name}?learning_rate=0.1")


def test_what_does_not_suit_the_weights_of_a_task_is_refused(folder: Path) -> None:
    (folder / "own_shapes.py").write_text(
        "import optax\n\n\ndef square(learning_rate):\n"
        "    return optax.stateless_with_tree_map(lambda g, w: -learning_rate * (g.T if g.ndim > 2 else g))\n"
    )
    reference = "own_shapes.py:square?learning_rate=1"
    read_optax(reference)
    with pytest.raises(OptimizerError, match="its updates have not the shapes of the weights"):
        read_optax(reference, Layout(((1, 2, 3),)))


# A user's own.


OWN = """
from __future__ import annotations

from dataclasses import dataclass

import optax

def halved(learning_rate, momentum=0.5):
    return optax.sgd(learning_rate / 2, momentum)

def fixed():
    return optax.sgd(0.1)

def broken(learning_rate):
    raise ValueError("mine")

@dataclass
class Kept:
    count: int

def with_a_dataclass(learning_rate):
    return optax.sgd(Kept(1).count * learning_rate)
"""


@pytest.mark.parametrize(
    "reference", ["own_optimizers.py:{}", "{folder}/own_optimizers.py:{}", "own_optimizers:{}"]
)
def test_a_function_of_a_file_or_a_module_is_an_optimizer(folder: Path, reference: str) -> None:
    (folder / "own_optimizers.py").write_text(OWN)
    name = reference.format("halved", folder=folder)
    found = path(read_optax(f"optax:{name}?learning_rate=0.2"))
    np.testing.assert_allclose(
        found, optax_path(optax.sgd(lambda count: 0.1 * schedule(count), 0.5)), rtol=1e-5
    )
    with pytest.raises(OptimizerError, match=r"has no argument 'momentun'; did you mean 'momentum'\?"):
        read_optax(f"optax:{name}?momentun=1")
    with pytest.raises(OptimizerError, match="needs learning_rate"):
        read_optax(f"optax:{name}")


def test_a_file_may_hold_dataclasses_and_each_version_of_it_is_run_once(folder: Path) -> None:
    name = "own.py:with_a_dataclass"
    for rate in (1, 2):
        (folder / "own.py").write_text(OWN.replace("Kept(1)", f"Kept({rate})"))
        expected = optax_path(optax.sgd(lambda count, rate=rate: 0.1 * rate * schedule(count)))
        np.testing.assert_allclose(path(read_optax(f"optax:{name}?learning_rate=0.1")), expected, rtol=1e-5)
        assert find_family(name) is find_family(name)


@pytest.mark.parametrize("reference", ["builtins:dict", "math:pi"])
def test_what_does_not_say_what_it_takes_is_refused(reference: str) -> None:
    with pytest.raises(OptimizerError, match=f"'{reference}' is no function that says what it takes"):
        read_optax(f"optax:{reference}")


def test_an_optimizer_without_a_learning_rate_is_run_as_it_is(folder: Path) -> None:
    (folder / "own_optimizers.py").write_text(OWN)
    np.testing.assert_allclose(
        path(read_optax("own_optimizers.py:fixed")), optax_path(optax.sgd(0.1)), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("source", "function", "message"),
    [
        (OWN, "hlaved", "cannot import 'own.py:hlaved': AttributeError: .*no attribute 'hlaved'"),
        ("import no_such_thing", "f", "cannot import 'own.py:f': ModuleNotFoundError"),
        ("f = (", "f", "cannot import 'own.py:f': SyntaxError"),
        (OWN, "broken?learning_rate=1", "'own.py:broken' cannot be scored: ValueError: mine"),
    ],
)
def test_a_users_own_file_that_fails_is_told(folder: Path, source: str, function: str, message: str) -> None:
    (folder / "own.py").write_text(source)
    with pytest.raises(OptimizerError, match=message):
        read_optax(f"optax:own.py:{function}")


@pytest.fixture
def exported(folder: Path) -> Callable[[str], str]:
    """Writes the export of a library program and gives its reference."""

    def write(name: str) -> str:
        function = name.rpartition("/")[2]
        (folder / f"{function}_file.py").write_text(to_optax(library_program(name), About(function, "Found")))
        return f"optax:{function}_file.py:{function}"

    return write


@pytest.mark.parametrize("name", ["adamw", "paper/program8"])
def test_an_exported_program_is_scored_as_the_program_is(exported: Callable[[str], str], name: str) -> None:
    """With the learning rate's schedule, which an export that looks at it takes as an argument of its own."""
    found = final_loss(read_optax(exported(name)))
    assert found == pytest.approx(final_loss(Interpreted(library_program(name))), rel=1e-4)


def test_the_learning_rate_of_an_export_may_be_given(exported: Callable[[str], str]) -> None:
    whole, half = (read_optax(exported("lion") + query) for query in ("", "?learning_rate=5e-5"))
    first_whole, first_half = path(whole)[0] - WEIGHTS, path(half)[0] - WEIGHTS
    assert np.abs(first_whole).max() > 0
    np.testing.assert_allclose(first_half, first_whole / 2, rtol=1e-2, atol=1e-7)


def test_every_family_that_is_listed_takes_a_learning_rate() -> None:
    assert len(FAMILIES) > 30
    assert all("learning_rate" in str(inspect.signature(make)) for make in _families().values())
