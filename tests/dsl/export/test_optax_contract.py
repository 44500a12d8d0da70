"""What optax expects of an optimizer, as its own tests of ``contrib`` check it, and its Lion and AdamW."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from dsl_programs import written
from exported import load

from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program

Make = Callable[..., optax.GradientTransformationExtraArgs]

FEW = ("sgd", "adamw", "lion_clip", "paper/program8")
"""One array at a time or all, with and without states, decay, and a schedule of its own."""


NAMES = [n if n in FEW else pytest.param(n, marks=pytest.mark.large) for n in LIBRARY]
EVOLVED = [pytest.param(seed, marks=pytest.mark.large) for seed in range(8)]
RATES = {"adagrad": 1.0, "paper/program4": 0.03, "paper/program5": 0.003, "paper/program8": 0.03}
"""With which they converge, where that is not 0.3."""


@pytest.fixture(params=[*NAMES, *EVOLVED])
def make(request: pytest.FixtureRequest, evolve: Callable[[int], Program]) -> Make:
    name = request.param
    program = library_program(name) if isinstance(name, str) else evolve(name)
    return load(program, "optax")["optimizer"]


def _parabola(dtype: Any = jnp.float32) -> tuple[Any, Callable[[Any], jax.Array]]:
    target = {"a": jnp.asarray([1.0, -1.0, 1.0], dtype), "b": jnp.asarray([[3.0, -2.0], [1.0, 4.0]], dtype)}
    start = jax.tree.map(lambda x: -2 * x, target)
    return start, lambda params: sum(jnp.sum((params[k] - target[k]) ** 2) for k in target)


def test_it_takes_further_arguments_is_compiled_once_and_its_state_is_mapped(make: Make) -> None:
    rule = make()
    params, loss = _parabola()

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        updates, state = rule.update(jax.grad(loss)(params), state, params, unexpected=1)
        return optax.apply_updates(params, updates), state

    state = optax.tree.map_params(rule, lambda v: v, rule.init(params))
    for _ in range(2):
        params, state = step(params, state)
    assert step._cache_size() == 1


def test_its_hyperparameters_can_be_injected(make: Make) -> None:
    """All of them, as arrays."""
    params, loss = _parabola()
    gradient = jax.grad(loss)(params)
    plain, injected = make(), optax.inject_hyperparams(make)()
    updates, state = jax.jit(plain.update)(gradient, plain.init(params), params)
    found, found_state = jax.jit(injected.update)(gradient, injected.init(params), params)
    for a, b in zip(
        jax.tree.leaves((found, found_state.inner_state)), jax.tree.leaves((updates, state)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    numbers = [n for n, p in inspect.signature(make).parameters.items() if isinstance(p.default, float)]
    assert {*found_state.hyperparams} == {*numbers}


@pytest.mark.parametrize(
    "dtype", ["bfloat16", "float32", "float64", pytest.param("float16", marks=pytest.mark.large)]
)
def test_types_of_updates_and_states_are_stable(make: Make, dtype: str) -> None:
    """Under ``lax.cond``, beside a loss of another type; and with ``MultiSteps``, which adds up first."""
    with jax.enable_x64(dtype == "float64"):
        rule = make()
        accumulated = optax.MultiSteps(rule, every_k_schedule=4)
        params, loss = _parabola(jnp.dtype(dtype))

        @jax.jit
        def step(params: Any, state: Any, first: Any) -> Any:
            gradient = jax.grad(loss)(params)
            updates, new = jax.lax.cond(
                jnp.sum(params["a"]) < 100,
                lambda: rule.update(gradient, state, params),
                lambda: (params, state),
            )
            nothing, _ = accumulated.update(gradient, first, params)
            return optax.apply_updates(params, updates), new, nothing

        found, _, nothing = step(params, rule.init(params), accumulated.init(params))
        assert {x.dtype for x in jax.tree.leaves(found)} == {jnp.dtype(dtype)}
        # what an evolved program makes infinite is times zero there, NaN
        assert not any(jnp.any(jnp.nan_to_num(x)) for x in jax.tree.leaves(nothing))


def test_the_learning_rate_may_be_a_schedule(make: Make) -> None:
    """Which is given the step."""
    name = "schedule" if "schedule" in inspect.signature(make).parameters else "learning_rate"
    params, loss = _parabola()
    ends = []
    for value in (1e-3, optax.constant_schedule(1e-3)):
        rule, now = make(**{name: value}), params
        state = rule.init(now)
        for _ in range(3):
            updates, state = rule.update(jax.grad(loss)(now), state, now)
            now = optax.apply_updates(now, updates)
        ends.append(now)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), *ends)


@pytest.mark.parametrize("name", NAMES)
def test_it_converges(name: str) -> None:
    """Without decay, which would keep it away; on parabolas, with a rate that falls to zero."""
    make, num_steps = load(library_program(name), "optax")["optimizer"], 2000
    arguments = inspect.signature(make).parameters
    rate, schedule = RATES.get(name, 0.3), optax.linear_schedule(1.0, 0.0, num_steps)
    both = {"learning_rate": rate, "schedule": schedule}
    given = both if "schedule" in arguments else {"learning_rate": lambda t: rate * schedule(t)}
    rule = make(**given, **({"weight_decay": 0.0} if "weight_decay" in arguments else {}))
    start, loss = _parabola()

    def step(carry: Any, _: None) -> Any:
        params, state = carry
        updates, state = rule.update(jax.grad(loss)(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    (found, _), _ = jax.jit(lambda: jax.lax.scan(step, (start, rule.init(start)), length=num_steps))()
    for key, x in start.items():
        np.testing.assert_allclose(found[key], x / -2, rtol=1e-2)


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
@pytest.mark.parametrize("mask", [{"a": True, "b": False}, lambda params: {"a": True, "b": False}])
def test_weight_decay_can_be_masked(name: str, mask: Any) -> None:
    """By a tree or a function, as with optax's own; without gradients only decay is left."""
    make = load(library_program(name), "optax")["optimizer"]
    rule = make(learning_rate=1.0, weight_decay=0.5, mask=mask)
    params, _ = _parabola()
    updates, _ = rule.update(jax.tree.map(jnp.zeros_like, params), rule.init(params), params)
    np.testing.assert_allclose(updates["a"], -0.5 * params["a"])
    assert not np.any(updates["b"])


MATCHING: dict[str, tuple[Program, Callable[[], optax.GradientTransformation]]] = {
    "lion": (library_program("lion"), lambda: optax.lion(1e-4, b1=0.9, b2=0.99, weight_decay=1.0)),
    "adamw": (
        library_program("adamw"),
        lambda: optax.chain(
            # the language has no bias correction: it is undone, in epsilon too
            optax.inject_hyperparams(optax.scale_by_adam, static_args=("b1", "b2", "eps_root"))(
                b1=0.9, b2=0.999, eps=lambda t: 1e-8 / jnp.sqrt(1 - 0.999 ** (t + 1)), eps_root=0.0
            ),
            optax.scale_by_schedule(lambda t: (1 - 0.9 ** (t + 1)) / jnp.sqrt(1 - 0.999 ** (t + 1))),
            optax.add_decayed_weights(0.01),
            optax.scale_by_learning_rate(1e-3),
        ),
    ),
}


@pytest.fixture(scope="module")
def recorded() -> tuple[Any, Any]:
    """Weights and gradients of 200 steps of a Transformer with AdamW, trees of arrays ``[200, ...]``."""
    from lion_search.proxy_tasks.tasks import find_task
    from lion_search.proxy_tasks.training.prepare import prepare

    problem, rule = prepare(find_task("digits_vit")), optax.adamw(1e-3)
    batches = np.random.default_rng(0).integers(0, len(problem.train.labels), (200, 32))

    def step(carry: Any, batch: jax.Array) -> Any:
        weights, state = carry
        gradient = problem.gradient(weights, jax.tree.map(lambda a: jnp.asarray(a)[batch], problem.train))
        updates, state = rule.update(gradient, state, weights)
        return (weights + updates, state), (weights, gradient)

    start = problem.init(jax.random.key(0))
    _, both = jax.jit(lambda: jax.lax.scan(step, (start, rule.init(start)), batches))()
    weights, gradients = (jax.vmap(problem.layout.split)(rows) for rows in both)
    return weights, gradients


@pytest.mark.parametrize("name", MATCHING)
def test_it_replays_as_optax_does(name: str, recorded: tuple[Any, Any]) -> None:
    """Within 1e-6 of the update's largest number.

    Where rounding decides a sign, the updates of Lion may differ: where its argument is zero but for that.
    """
    program, stock = MATCHING[name]
    ours, theirs = load(program, "optax")["optimizer"](), stock()

    def flat(tree: Any) -> jax.Array:
        return jnp.concatenate([jnp.ravel(x) for x in jax.tree.leaves(tree)])

    def step(states: Any, now: Any) -> Any:
        weights, gradient = now
        found, new = ours.update(gradient, states[0], weights)
        expected, also_new = theirs.update(gradient, states[1], weights)
        momentum = flat(jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, states[0].m, gradient))
        decided = (jnp.abs(momentum) > 1e-6 * jnp.max(jnp.abs(momentum))) | (name != "lion")
        difference = jnp.max(jnp.abs(flat(found) - flat(expected)) * decided) / jnp.max(
            jnp.abs(flat(expected))
        )
        return (new, also_new), (difference, jnp.mean(~decided))

    start = jax.tree.map(lambda rows: rows[0], recorded[0])
    states = (ours.init(start), theirs.init(start))
    _, (differences, undecided) = jax.jit(lambda: jax.lax.scan(step, states, recorded))()
    print(f"{name}: differs by {differences.max():.1e} at most; undecided {undecided.mean():.1e}")
    assert differences.shape == (200,)
    assert differences.max() < 1e-6
    assert undecided.mean() < 0.2  # weights of pixels that are always dark have no gradient


def test_a_program_that_ignores_the_schedule_has_a_constant_learning_rate() -> None:
    """The factor of its update; or 1, if it has none, so that there always is one to set."""
    for lines, default in ((["update = sign(g) * 0.5"], 0.5), (["update = sign(g)"], 1.0)):
        make = load(written("", *lines), "optax")["optimizer"]
        assert inspect.signature(make).parameters["learning_rate"].default == default
        updates, _ = (rule := make(0.25)).update(
            {"a": jnp.ones(2)}, rule.init({"a": jnp.ones(2)}), {"a": jnp.ones(2)}
        )
        np.testing.assert_allclose(updates["a"], -0.25)
