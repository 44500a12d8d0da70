"""Known optimizers as programs against optax, step by step, on one recorded gradient sequence.

Both sides see the same weights, gradients and schedule, in float64: the program through ``dsl.arrays.step``
in NumPy, optax in JAX. Updates must agree to ``RTOL`` at every step, and so must the states where optax keeps
the same ones. Where a program takes a sign, an update may differ only where the argument of the sign is
within 1e-6 of zero relative to the largest gradient that its weight has seen; the sequence holds such cases
on purpose. Rules that optax lacks are held against formulas written down here in NumPy.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from watched_walk import WatchedDomain, walk

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.text import format_program

SHAPES = ((3, 4), (5,), (), (2, 2))  # the 0-d array is a single number; the last never gets a gradient
SIZES = [int(np.prod(shape)) for shape in SHAPES]
NUM_STEPS = 20
EPSILON = 1e-8
RTOL = 1e-11  # of the larger number; the sides differ in the order of operations, and in 1 - 0.999 for 0.001
ATOL = 1e-15  # times the largest update or state: for sums that cancel
SIGN_BOUNDARY = 1e-6

ALIASES = {"paper/program1": "lion", "paper/program3": "adamw"}
"""Entries that are another entry on purpose."""

NUM_REDUNDANT = {"paper/program4": 1, "paper/program8": 9}
"""Statements without use in entries that are kept as published."""


def split(flat: np.ndarray) -> tuple[np.ndarray, ...]:
    """A vector ``[..., N]`` as a tree."""
    parts = np.split(flat, np.cumsum(SIZES)[:-1], axis=-1)
    return tuple(p.reshape((*flat.shape[:-1], *shape)) for p, shape in zip(parts, SHAPES, strict=True))


def join(tree: Sequence[Any], num_axes: int = 0) -> np.ndarray:
    """A tree as a vector ``[..., N]``, its first ``num_axes`` axes kept."""
    return np.concatenate([np.reshape(a, (*np.shape(a)[:num_axes], -1)) for a in tree], axis=-1)


def record() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights and gradients ``[steps, N]`` and the schedule ``[steps]``: a warm-up, then a descent to 0.

    Gradients change their scale from step to step and some are exactly zero. At the second step some bring
    the argument of a sign to zero but for rounding, that of ``lion`` (0 and 1) or of ``signum`` (2 and 3);
    others leave that of ``lion`` a little below (4) or above (5), so that a slightly wrong constant shows.
    """
    rng = np.random.default_rng(20230213)
    size = sum(SIZES)
    weights = np.cumsum(rng.normal(size=(NUM_STEPS, size)) * 0.3, axis=0)
    gradients = rng.normal(size=(NUM_STEPS, size)) * 10 ** rng.uniform(-2.5, 1, (NUM_STEPS, 1))
    gradients[rng.random(gradients.shape) < 0.1] = 0
    gradients[0, :6] = 1 + rng.random(6)
    cancelling = np.array([0.09, 0.09, 0.9, 0.9, 0.09 * (1 + 1e-3), 0.09 * (1 - 1e-3)])
    gradients[1, :6] = -cancelling * gradients[0, :6]
    gradients[:, -SIZES[-1] :] = 0
    return weights, gradients, np.array([0.25, 0.5, 0.75, *np.linspace(1, 0, NUM_STEPS - 3)])


WEIGHTS, GRADIENTS, RATES = record()


class Followed(NamedTuple):
    """A run of a program's live part over the sequence.

    Attributes:
        updates: ``[steps, N]``.
        states: after each step ``[steps, states, N]``.
        near_sign: where a sign was taken of what is zero but for rounding, ``[steps, N]``.
    """

    updates: np.ndarray
    states: np.ndarray
    near_sign: np.ndarray


def follow_program(name: str) -> Followed:
    program = prune(library_program(name))  # a sign that does not matter excuses nothing
    domain = WatchedDomain(SHAPES)
    outputs, near_sign = [], []
    largest = np.maximum.accumulate(np.abs(GRADIENTS))
    steps = zip(map(split, WEIGHTS), map(split, GRADIENTS), RATES, strict=True)
    for t, found in enumerate(walk(program, domain, steps)):
        outputs.append(found)
        # The gradient itself is exact. Strictly less: without any gradient so far, so are computed zeros.
        computed = [x for x in domain.signed if not np.array_equal(x, GRADIENTS[t])]
        near = [np.abs(x) < SIGN_BOUNDARY * largest[t] for x in computed]
        near_sign.append(np.any([np.zeros(sum(SIZES), bool), *near], axis=0))
        domain.signed.clear()
    return Followed(np.array(outputs)[:, 0], np.array(outputs)[:, 1:], np.array(near_sign))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=ATOL * np.abs(expected).max())


# ------------------------------------------------------------------------------------------- optax's rules


def rate(peak: float) -> optax.Schedule:
    return lambda count: peak * jnp.asarray(RATES)[count]


def scaled(peak: float) -> optax.GradientTransformation:
    return optax.scale_by_learning_rate(rate(peak))


def without_bias_correction(
    make: Callable[..., optax.GradientTransformation], b1: float = 0.9, b2: float = 0.999
) -> optax.GradientTransformation:
    """``scale_by_adam`` or a sister with its bias correction undone.

    With the corrections ``c1 = 1 - b1^t`` and ``c2 = 1 - b2^t``, and ``e / sqrt(c2)`` for an epsilon, optax
    gives ``(m / c1) / (sqrt(v / c2) + e / sqrt(c2))``; times ``c1 / sqrt(c2)`` that is ``m / (sqrt(v) + e)``.
    """

    def correction(b: float, count: Any) -> Any:
        return 1 - b ** (count + 1)

    corrected = optax.inject_hyperparams(make, static_args=("b1", "b2", "eps_root"))(
        b1=b1, b2=b2, eps=lambda count: EPSILON / jnp.sqrt(correction(b2, count)), eps_root=0.0
    )
    undo = optax.scale_by_schedule(lambda t: correction(b1, t) / jnp.sqrt(correction(b2, t)))
    return optax.chain(corrected, undo)


def epsilon_after_root(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """From ``u = g / sqrt(v)`` to ``g / (sqrt(v) + e)``, which is ``u / (1 + e * u / g)``."""

    def update(gradients: Any, state: Any, params: Any = None) -> Any:
        def move(u: Any, g: Any) -> Any:
            return jnp.where(g == 0, 0, u / (1 + EPSILON * u / jnp.where(g == 0, 1, g)))

        updates, state = inner.update(gradients, state, params)
        return jax.tree.map(move, updates, gradients), state

    return optax.GradientTransformation(inner.init, update)


def lion_kappa(kappa: optax.GradientTransformation) -> optax.GradientTransformation:
    """Lion with ``kappa`` for its sign, from optax's "refined" Lion, which is linear below 1.

    What precedes the sign is linear in the gradient, so it is computed for a gradient made so small that it
    stays below 1, and made large again; powers of two are exact.
    """
    linear = optax.scale_by_lion(b1=0.9, b2=0.99, mode="refined")
    before = (optax.scale(2.0**-20), linear, optax.scale(2.0**20))
    return optax.chain(*before, kappa, optax.add_decayed_weights(1.0), scaled(1e-4))


def map_numbers(function: Callable[[Any], Any]) -> optax.GradientTransformation:
    return optax.stateless_with_tree_map(lambda x, _: function(x))


class Stock(NamedTuple):
    """optax's form of a rule; ``states`` are its names of the program's states, where it keeps the same."""

    chain: optax.GradientTransformation
    states: tuple[str, ...] = ()


ADAMW = Stock(
    optax.chain(without_bias_correction(optax.scale_by_adam), optax.add_decayed_weights(0.01), scaled(0.001)),
    ("mu", "nu"),
)
LION = Stock(optax.lion(rate(1e-4), b1=0.9, b2=0.99, weight_decay=1.0), ("mu",))

STOCK = {
    "sgd": Stock(optax.sgd(rate(0.1))),
    "heavy_ball": Stock(optax.sgd(rate(0.01), momentum=0.9), ("trace",)),
    "nesterov": Stock(optax.sgd(rate(0.01), momentum=0.9, nesterov=True), ("trace",)),
    "sign_descent": Stock(optax.sign_sgd(rate(1e-4))),
    "signum": Stock(optax.signum(rate(1e-4), beta=0.9), ("ema",)),
    "rmsprop": Stock(optax.rmsprop(rate(0.001), decay=0.9, eps=EPSILON, eps_in_sqrt=False), ("nu",)),
    "adagrad": Stock(
        optax.chain(
            epsilon_after_root(optax.scale_by_rss(initial_accumulator_value=0.0, eps=0.0)), scaled(0.01)
        ),
        ("sum_of_squares",),
    ),
    "adam": Stock(
        optax.chain(without_bias_correction(optax.scale_by_adam), scaled(0.001)),
        ("mu", "nu"),
    ),
    "adamw": ADAMW,
    "adabelief": Stock(
        optax.chain(without_bias_correction(optax.scale_by_belief), scaled(0.001)),
        ("mu", "nu"),
    ),
    "lion": LION,
    "lion_tanh": Stock(
        optax.chain(
            optax.scale_by_lion(b1=0.9, b2=0.99, mode="smooth"),
            optax.add_decayed_weights(1.0),
            scaled(1e-4),
        ),
        ("mu",),
    ),
    "lion_arctan": Stock(lion_kappa(map_numbers(jnp.arctan))),
    "lion_smooth": Stock(lion_kappa(map_numbers(lambda x: x / (jnp.sqrt(1 + x**2) + EPSILON)))),
    "lion_clip": Stock(lion_kappa(optax.clip_by_global_norm(1.0))),
    "paper/program1": LION,
    "paper/program3": ADAMW,
    "paper/program7": Stock(
        optax.chain(
            without_bias_correction(optax.scale_by_belief),
            optax.add_decayed_weights(0.0238),
            scaled(0.03721),
        ),
        ("mu", "nu"),
    ),
}


def follow_stock(stock: Stock) -> tuple[np.ndarray, list[np.ndarray]]:
    """What optax would subtract ``[steps, N]``, and each of its states ``[steps, N]``."""

    def body(state: Any, inputs: Any) -> Any:
        weights, gradients = inputs
        updates, state = stock.chain.update(gradients, state, weights)
        return state, (updates, [optax.tree_utils.tree_get(state, name) for name in stock.states])

    with jax.enable_x64(True):
        weights, gradients = (jax.tree.map(jnp.asarray, split(x)) for x in (WEIGHTS, GRADIENTS))
        state = stock.chain.init(tuple(w[0] for w in weights))
        updates, states = jax.jit(lambda *args: jax.lax.scan(body, *args)[1])(state, (weights, gradients))
        return -join(updates, 1), [join(s, 1) for s in states]


@pytest.mark.parametrize("name", STOCK)
def test_a_program_follows_optax(name: str) -> None:
    found = follow_program(name)
    updates, states = follow_stock(STOCK[name])
    assert updates.dtype == np.float64
    assert_close(np.where(found.near_sign, updates, found.updates), updates)
    for position, state in enumerate(states):
        assert_close(found.states[:, position], state)


# ------------------------------------------------------------------------------------ rules that optax lacks

Vector = np.ndarray
Rule = Callable[[Vector, Vector, Vector, Vector, float], tuple[Vector, Vector, Vector]]
"""``(w, g, m, v, lr) -> update, m, v`` over all weights as one vector; a rule without ``v`` hands it on."""


def ratio(x: Vector, y: Vector) -> Vector:
    return x / (y + EPSILON)


def addsign(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    m = 0.9 * m + 0.1 * g
    return 0.1 * lr * (1 + np.sign(g) * np.sign(m)) * g, m, v


def powersign(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    m = 0.9 * m + 0.1 * g
    return 0.1 * lr * np.e ** (np.sign(g) * np.sign(m)) * g, m, v


def nadamw(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return 0.001 * lr * (ratio(0.9 * m + 0.1 * g, np.sqrt(v)) + 0.01 * w), m, v


def adams(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    root, m = np.sqrt(0.95 * m**2 + 0.05 * g**2), 0.9 * m + 0.1 * g
    return 0.001 * lr * (ratio(m, root) + 0.1 * w), m, v


def nadams(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    root, ahead = np.sqrt(0.88 * m**2 + 0.12 * g**2), 0.66 * m + 0.34 * g
    return 0.016 * lr * (ratio(ahead, root) + 0.01 * w), 0.91 * m + 0.09 * g, v


def raw_lion(a: float, b: float, decay: float, peak: float) -> Rule:
    """Programs 4 and 8 by their simplification: interp(g, interp(g, v, a), b) is interp(g, v, a * b)."""

    def rule(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
        g = np.arcsin(g * min(1, lr / np.linalg.norm(g)))
        m = (1 - a) * g + a * v
        return peak * lr * (ratio(m, np.abs(m)) + decay * w), m, (1 - a * b) * g + a * b * v

    return rule


def program5(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    m, v = 0.84 * m + 0.16 * g, 0.999 * v + 0.001 * g**2
    return 0.0216 * lr * (np.sin(ratio(m, np.sqrt(np.abs(v)))) + (g @ w) * w), m, np.sin(v)


def program6(w: Vector, g: Vector, m: Vector, v: Vector, lr: float) -> tuple[Vector, Vector, Vector]:
    m, v = 0.9 * m + 0.1 * g, v + 0.0015 * g**2
    return 0.0606 * lr * np.sinh(ratio(m, np.sqrt(v))), m, np.minimum(v, np.pi)


FORMULAS: dict[str, Rule] = {
    "addsign": addsign,
    "powersign": powersign,
    "nadamw": nadamw,
    "adams": adams,
    "nadams": nadams,
    "paper/program4": raw_lion(0.899, 1.109, 0.4602, 0.0002),
    "paper/program5": program5,
    "paper/program6": program6,
    "paper/program8": raw_lion(
        0.8999999761581421, 1.109133005142212, 0.4601978361606598, 0.0002171761734643951
    ),
}


def follow_formula(rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Updates ``[steps, N]`` and the states m and v ``[steps, 2, N]``."""
    m = v = np.zeros(sum(SIZES))
    updates, states = [], []
    for w, g, lr in zip(WEIGHTS, GRADIENTS, RATES, strict=True):
        update, m, v = rule(w, g, m, v, lr)
        updates.append(update)
        states.append([m, v])
    return np.array(updates), np.array(states)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_program_follows_its_formula(name: str) -> None:
    found = follow_program(name)
    updates, states = follow_formula(FORMULAS[name])
    assert_close(np.where(found.near_sign, updates, found.updates), updates)
    for position, state in enumerate(prune(library_program(name)).states):
        assert_close(found.states[:, position], states[:, "mv".index(state)])


# ------------------------------------------------------------------------------- the sequence and the table


def test_the_sequence_meets_the_boundary_of_a_sign_and_seldom() -> None:
    planted = {"lion": slice(0, 2), "signum": slice(2, 4), "addsign": slice(2, 4), "powersign": slice(2, 4)}
    for name, where in planted.items():
        near_sign = follow_program(name).near_sign
        assert near_sign[1, where].all()
        assert near_sign.mean() < 0.01
        assert not near_sign[:, -SIZES[-1] :].any()


def test_the_sequence_meets_both_cases_of_a_clip() -> None:
    updates = follow_program("lion_clip").updates[:-1] - 1e-4 * (RATES[:, None] * WEIGHTS)[:-1]
    norms = np.linalg.norm(updates, axis=1) / (1e-4 * RATES[:-1])
    assert np.isclose(norms, 1).any()
    assert (norms < 0.9).any()


def test_an_array_without_gradient_changes_by_weight_decay_alone() -> None:
    for name in LIBRARY:
        updates = follow_program(name).updates[:, -SIZES[-1] :]
        weights = WEIGHTS[:, -SIZES[-1] :]
        assert_close(updates, (updates / weights)[:, :1] * weights)


def test_every_entry_is_held_against_something() -> None:
    assert {*STOCK, *FORMULAS} == set(LIBRARY)
    assert not {*STOCK} & {*FORMULAS}


@pytest.mark.parametrize("name", LIBRARY)
def test_an_entry_is_complete_and_its_text_canonical(name: str) -> None:
    entry = LIBRARY[name]
    assert entry.name == name == name.lower()
    for line in (entry.source, entry.difference):
        assert line.strip() == line
        assert len(line.splitlines()) == 1
    assert format_program(library_program(name)) == entry.text.lstrip("\n")


@pytest.mark.parametrize("name", LIBRARY)
def test_every_statement_matters_unless_its_entry_says_otherwise(name: str) -> None:
    program = library_program(name)
    num_redundant = len(program.statements) - len(prune(program).statements)
    assert num_redundant == NUM_REDUNDANT.get(name, 0)
    assert ("redundant" in LIBRARY[name].difference) == (num_redundant > 0)


def test_no_two_entries_are_the_same_optimizer_but_the_aliases() -> None:
    hashes = {name: functional_hash(library_program(name)) for name in LIBRARY}
    for alias, name in ALIASES.items():
        assert hashes.pop(alias) == hashes[name]
        assert f"same program as {name}" in LIBRARY[alias].difference
    assert len(set(hashes.values())) == len(hashes)
