"""Exported files: they compile, import nothing of ours, and give the updates of the program they are of."""

import ast
import textwrap
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from dsl_programs import written
from exported import as_params, load, replay_optax, scheduled, text_of

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Type
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import format_program, parse

Replay = Callable[..., np.ndarray]

PARAMS = {"a": np.linspace(-1.0, 1.0, 12, dtype=np.float32).reshape(3, 4), "b": np.float32(0.5)}
"""Of the shapes of the trace, so that JAX compiles no operation twice."""


def _load(program: Program, name: str = "optimizer") -> Callable[..., optax.GradientTransformation]:
    """Executes the exported file and returns what it is for."""
    return load(program, "optax", name)[name]


def _flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(a).astype(np.float64) for a in jax.tree.leaves(tree)])


@pytest.fixture(scope="session")
def replay(trace: Any) -> Replay:
    """``replay(program, num_steps)``: the updates of its exported file on the trace ``[steps, N]``."""

    def run(program: Program, num_steps: int, name: str = "optimizer", schedule: Any = None) -> np.ndarray:
        return replay_optax(program, trace, num_steps, name, schedule)

    return run


def _assert_same(program: Program, replay: Replay, walk: Callable, num_steps: int = 3, **how: Any) -> None:
    """The same updates as the float32 walk, but for rounding."""
    found = replay(program, num_steps, **how)
    expected = walk(program, num_steps=num_steps, dtype=np.float32)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-30, err_msg=format_program(program))


# ---- the same updates


@pytest.mark.parametrize("across", ["", "g = clip(g, 1e9)"], ids=["one array at a time", "lists of arrays"])
@pytest.mark.parametrize("function", BUILT_IN)
def test_every_function(function: str, across: str, replay: Replay, walk: Callable):
    """Of trees, numbers per array, scalars and constants, in both forms of file."""
    parameters = FUNCTIONS[function].parameters
    lines = parse("def train(w, g, lr):\n    s = lr * 0.3\n    p = norm(w)\n    return w\n").statements
    for arguments in (("g", "w"), ("p", "s"), (-0.7, "g")):
        trees = iter(arguments)
        args = tuple("s" if widest is Type.SCALAR else next(trees) for widest in parameters)
        first = parse(f"def train(w, g, lr):\n    {across}\n    return w\n").statements if across else ()
        last = (Statement("a", function, args), Statement("update", "multiply", ("a", "w")))
        program = Program((), (*first, *lines, *last), ("update",))
        _assert_same(program, replay, walk, num_steps=1)


@pytest.mark.parametrize(
    "line",
    [
        "update = reciprocal(0.0)",
        "update = minimum(g, reciprocal(0.0))",
        "z = lr - lr; update = maximum(g, reciprocal(z))",
        "z = 0.5 - 0.5; update = z / -0.00000001",
        "update = cube(1e30) * g",
        "update = power(-0.5, 0.5) * g",
        "update = log(0.0) + g",
        "update = -0.5 - -0.25",
        "update = interp(-0.5, -0.25, -2.0) * g",
        "update = negative(-0.5) * g",
        "update = 1e-40 * g",
    ],
)
@pytest.mark.parametrize("schedule", [None, 0.25], ids=["schedule of the step", "a number"])
def test_arithmetic_of_numbers_is_that_of_float32(line: str, schedule: Any, replay: Replay, walk: Callable):
    """Python would raise where float32 has infinity: 1 / 0 is inf, whether of constants or of a number lr."""
    program = written("", line)
    found = replay(program, 1, schedule=schedule)
    expected = walk(program, num_steps=1, dtype=np.float32)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-37)


# ---- names


NAMES = [
    *("jnp", "jax", "optax", "NamedTuple", "callable", "len", "list", "max", "sum", "zip", "print", "é"),
    *("_each", "_like", "_dot", "_clip", "_fill", "_global_norm", "_step", "__m", "optimizer", "init"),
    *("count", "index", "updates", "new_updates", "gradients", "params", "state", "schedule", "weights"),
    *("structure", "arrays", "one", "u", "a", "x", "y", "z", "columns", "function", "OptimizerState"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_state_may_have_any_name(name: str, replay: Replay, walk: Callable):
    """In both forms of file, also beside the names it might be changed to."""
    others = [other for other in (f"{name}_", name.lstrip("_"), f"new_{name}") if other != name]
    states = f"{name}, {', '.join(dict.fromkeys(others))}"
    sums = [f"{other} = {other} + w" for other in dict.fromkeys(others)]
    body = [f"{name} = interp(g, {name}, 0.75)", *sums, f"update = sign({name}) * {others[0]}"]
    _assert_same(written(states, *body), replay, walk, num_steps=2)
    _assert_same(written(states, f"{name} = clip({name} + g, 0.5)", *body), replay, walk, num_steps=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_may_have_any_name(name: str, replay: Replay, walk: Callable):
    body = [f"{name} = norm(g) + w", f"{name}_ = {name} * w", f"update = {name} * {name}_"]
    _assert_same(written("", *body), replay, walk, num_steps=1)
    across = [f"{name} = {name} + global_norm({name})", f"{name} = clip({name}, dot(g, lr))"]
    _assert_same(written("", *body[:2], *across, body[2]), replay, walk, num_steps=1)


@pytest.mark.parametrize(
    "name",
    [
        *("Lion", "my_optimizer", "x2", "_hidden", "é", "State", "w", "g", "m", "lr", "params", "state"),
        *("jax", "jnp", "optax", "NamedTuple", "callable", "zip", "len", "list", "sum", "max", "isinstance"),
        *("init", "update", "schedule", "_step", "_each", "_dot", "_clip", "_global_norm", "_fill"),
    ],
)
def test_any_other_name_works_or_is_refused(name: str, replay: Replay, walk: Callable):
    """It must not break the file by hiding something that the file needs."""
    program = written("m", "c = clip(g, 0.5)", "m = interp(c, m, 0.75)", "update = m * norm(lr)")
    try:
        text_of(program, "optax", name)
    except ProgramError:
        return
    _assert_same(program, replay, walk, name=name)


# ---- the file


def test_a_file_shows_the_program_without_what_is_redundant(known_programs: dict[str, Program]):
    """The docstring holds its text, which can be read back."""
    for program in known_programs.values():
        docstring = ast.get_docstring(ast.parse(text_of(program, "optax"))) or ""
        listing = textwrap.dedent(docstring[docstring.index("    def train") :])
        assert parse(listing) == prune(program)


def test_a_file_has_no_state_that_the_update_does_not_need(known_programs: dict[str, Program]):
    """Program 8 returns two; one is live."""
    state = _load(known_programs["paper/program8"])().init(PARAMS)
    assert state._fields == ("count", "v")


def test_the_state_starts_at_zero_and_counts_steps(known_programs: dict[str, Program]):
    params = PARAMS
    rule = _load(known_programs["adamw"])()
    state = rule.init(params)
    assert state._fields == ("count", "m", "v")
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(state))
    for steps in (1, 2):
        _, state = rule.update(params, state, params)
        assert state.count == steps
        assert jax.tree.structure(state.m) == jax.tree.structure(params)


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
def test_compiled_and_not_compiled_agree(name: str, known_programs: dict[str, Program]):
    """The schedule is a function of a traced step; the update is subtracted by ``apply_updates``."""
    make = _load(known_programs[name])
    rule = make(**scheduled(known_programs[name], make, optax.linear_schedule(1.0, 0.0, 10)))
    params = PARAMS
    gradient = jax.tree.map(jnp.sin, params)
    state = rule.init(params)
    for _ in range(2):
        update, new_state = rule.update(gradient, state, params)
        also_update, also_state = jax.jit(rule.update)(gradient, state, params)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4), update, also_update)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4), new_state, also_state)
        params, state = optax.apply_updates(params, update), new_state
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", ["lion", "three_states"])
@pytest.mark.parametrize("schedule", [0.5, lambda count: jnp.float32(0.5)], ids=["a number", "a function"])
@pytest.mark.parametrize("kept", [None, jnp.bfloat16], ids=["by default", "by choice"])
def test_every_array_keeps_its_dtype(
    name: str, schedule: Any, kept: Any, known_programs: dict[str, Program]
) -> None:
    """Updates are of the weights' types, states are float32 or what was asked for; in a loop, over steps."""
    params = {"half": jnp.ones((), jnp.bfloat16), "full": jnp.ones((3, 4), jnp.float32), "float": 1.0}
    types = [jnp.bfloat16, jnp.float32, jnp.float32]
    make = _load(known_programs[name])
    rule = make(**scheduled(known_programs[name], make, schedule), state_dtype=kept)

    def one_step(state: Any, _: None) -> Any:
        update, state = rule.update(params, state, params)
        return state, update

    state, updates = jax.lax.scan(one_step, rule.init(params), None, length=3)
    assert [updates[key].dtype for key in params] == types
    assert {leaf.dtype for leaf in jax.tree.leaves(state[1:])} == {jnp.dtype(kept or jnp.float32)}


COMMON = ("adagrad", "adamw", "lion_clip")


@pytest.mark.parametrize(
    "name",
    [
        name if name in COMMON else pytest.param(name, marks=pytest.mark.large)
        for name in LIBRARY
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "short", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.large)], ids=["bfloat16", "float16"]
)
def test_short_numbers_train_as_long_ones_do(name: str, short: Any) -> None:
    """3,000 steps with weights and gradients of 16 bits, against the program in float64.

    In bfloat16 AdamW's average of squares would stop at half of its value, too large to be added to.
    """
    program, rng = prune(library_program(name)), np.random.default_rng(0)
    make, num_steps = _load(program), 3000
    rule = make(**scheduled(program, make, 0.5))
    params = {"a": jnp.asarray(rng.normal(size=(3, 2)), short), "b": jnp.asarray(rng.normal(), short)}
    gradients = {
        k: jnp.asarray(1 + rng.normal(size=(num_steps, *w.shape)) / 2, short) for k, w in params.items()
    }

    @jax.jit
    def trained() -> Any:
        def one_step(state: Any, gradient: Any) -> Any:
            update, state = rule.update(gradient, state, params)
            return state, update

        state, updates = jax.lax.scan(one_step, rule.init(params), gradients)
        return jax.tree.map(lambda u: u[-1], updates), state[1:]

    exact = [np.asarray(w, np.float64) for w in params.values()]
    steps = zip(*(np.asarray(g, np.float64) for g in gradients.values()), strict=True)
    domain = ArrayDomain(np, [w.shape for w in exact], np.float64)
    states: Any = [[np.zeros(w.shape) for w in exact] for _ in program.states]
    for gradient in steps:
        expected, states = step(program, domain, exact, gradient, states, 0.5)
    update, found = trained()
    assert {u.dtype for u in jax.tree.leaves(update)} == {jnp.dtype(short)}
    eps, least = (float(getattr(jnp.finfo(short), name)) for name in ("eps", "smallest_subnormal"))
    np.testing.assert_allclose(-_flat(update), _flat(expected), rtol=eps, atol=least)
    np.testing.assert_allclose(_flat(found) if states else [], _flat(states) if states else [], rtol=1e-4)


def test_float64_weights_are_trained_in_float64(
    known_programs: dict[str, Program], walk: Callable, trace: Any
):
    """Where JAX has it: the states, the arithmetic and the schedule."""
    with jax.enable_x64(True):
        make = _load(known_programs["adamw"])
        rates = jnp.asarray(trace.learning_rates)
        rule = make(**scheduled(known_programs["adamw"], make, lambda count: rates[count]))
        state = rule.init(as_params(trace.weights[0], jnp.float64))
        for t in range(3):
            params, gradient = (as_params(a[t], jnp.float64) for a in (trace.weights, trace.gradients))
            update, state = rule.update(gradient, state, params)
        expected = walk(known_programs["adamw"], num_steps=3)[-1, 0]
        np.testing.assert_allclose(-_flat(update), expected, rtol=1e-12)
        assert {leaf.dtype for leaf in jax.tree.leaves(state[1:])} == {np.dtype(np.float64)}


def test_parameters_that_are_no_floating_point_numbers_are_refused(known_programs: dict[str, Program]):
    rule = _load(known_programs["lion"], "found")()
    with pytest.raises(
        ValueError, match=r"found is for floating-point parameters, found int32; see optax\.mask"
    ):
        rule.init({"a": jnp.ones(2), "step": jnp.int32(1)})


NESTED = {"a": jnp.ones((2, 3)), "b": [jnp.ones(2), jnp.ones(())]}


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ({"b": NESTED["b"], "c": NESTED["a"]}, r"at \['a'\]: shape nothing and \(2, 3\)"),
        ({**NESTED, "c": jnp.ones(5)}, r"at \['c'\]: shape \(5,\) and nothing"),
        ({**NESTED, "a": None}, r"at \['a'\]: shape nothing and \(2, 3\)"),
        ({**NESTED, "a": jnp.ones((3, 2))}, r"at \['a'\]: shape \(3, 2\) and \(2, 3\)"),
        ({**NESTED, "a": jnp.ones(())}, r"at \['a'\]: shape \(\) and \(2, 3\)"),
        ({**NESTED, "b": NESTED["b"][:1]}, r"at \['b'\]\[1\]: shape nothing and \(\)"),
        ({**NESTED, "b": tuple(NESTED["b"])}, "are different trees: PyTreeDef.* and PyTreeDef"),
        (jnp.ones(3), r"at \['a'\]: shape nothing and \(2, 3\)"),
    ],
    ids=["another key", "one more", "none", "turned", "a number", "shorter", "a tuple", "an array"],
)
def test_what_is_not_like_the_parameters_is_refused(
    gradients: Any, message: str, known_programs: dict[str, Program]
):
    """Gradients, and states that were made for other parameters; also while it is traced."""
    rule = _load(known_programs["lion"], "found")()
    for update in (rule.update, jax.jit(rule.update)):
        with pytest.raises(ValueError, match=f"found: gradients and parameters.* {message}"):
            update(gradients, rule.init(NESTED), NESTED)
        with pytest.raises(ValueError, match=f"found: state m and parameters.* {message}"):
            update(NESTED, rule.init(gradients), NESTED)


WRAPPERS: dict[str, Callable[..., Any]] = {
    "chain": lambda make: optax.chain(optax.clip_by_global_norm(1.0), make(), optax.scale(0.5)),
    "masked": lambda make: optax.masked(make(), {"a": True, "b": [True, False], "none": None}),
    "partition": lambda make: optax.partition(
        {"ours": make(), "other": optax.sgd(0.1)}, {"a": "ours", "b": ["other", "ours"], "none": None}
    ),
    "MultiSteps": lambda make: optax.MultiSteps(make(), 2).gradient_transformation(),
    "inject_hyperparams": lambda make: optax.inject_hyperparams(make)(learning_rate=0.5),
    "apply_if_finite": lambda make: optax.apply_if_finite(make(), 3),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", ["adamw", "lion_clip"])
def test_it_can_be_wrapped_like_any_other(wrapper: str, name: str, known_programs: dict[str, Program]):
    """With ``None`` among the parameters, in a loop, whose carry must keep its types."""
    gradient: Any = jax.tree.map(lambda w: w.astype(jnp.bfloat16), {**NESTED, "none": None})
    start = jax.tree.map(jnp.zeros_like, gradient)
    rule = WRAPPERS[wrapper](_load(known_programs[name]))

    def one_step(carry: Any, _: None) -> Any:
        params, state = carry
        update, state = rule.update(gradient, state, params)
        return (optax.apply_updates(params, update), state), None

    (found, _), _ = jax.lax.scan(one_step, (start, rule.init(start)), None, length=4)
    assert jax.tree.structure(found) == jax.tree.structure(start)
    assert found["a"].dtype == jnp.bfloat16
    assert (found["a"] < 0).all()


@pytest.mark.parametrize("name", ["adamw", "three_states"])
def test_a_tree_without_arrays_is_no_error(name: str, known_programs: dict[str, Program]):
    """As with optax's own; ``optax.masked`` may leave nothing."""
    rule = _load(known_programs[name])()
    update, _ = rule.update({}, rule.init({}), {})
    assert update == {}


def test_missing_parameters_are_a_clear_error(known_programs: dict[str, Program]):
    rule = _load(known_programs["adamw"], "found")()
    with pytest.raises(ValueError, match="found needs the parameters: call update"):
        rule.update(PARAMS, rule.init(PARAMS))


def test_exporting_twice_gives_the_same_text(evolve: Callable[..., Program]):
    for program in map(evolve, range(10)):
        assert text_of(program, "optax") == text_of(program, "optax")


def test_the_reference_can_be_told_apart(replay: Replay, reference: Callable):
    """The comparison of this file can fail: Lion with another constant is not Lion."""
    one = written("m", "update = tanh(interp(g, m, 0.9))", "m = interp(g, m, 0.99)")
    other = written("m", "update = tanh(interp(g, m, 0.9))", "m = interp(g, m, 0.98)")
    expected: SimpleNamespace = reference(other, num_steps=4, shake=1e-6)
    differences = np.abs(replay(one, 4) - expected.outputs[:, 0])
    assert (expected.comparable[:, 0] & (differences > 1e-2 * np.abs(expected.outputs[:, 0]))).any()
