"""A function that a stranger adds from one module of their own, wherever functions are used.

No file of the project knows it: what is asked of it here is answered by its row alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lion_search.dsl import functions
from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.encode import encode
from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.export.latex import to_equations
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, load_function
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.simplify.equality.egraph import RewriteLimits, default_engine
from lion_search.simplify.equality.rewriting import PROVED, never_negative, rewrite
from lion_search.simplify.writing.readable import readable

MODULE = r'''
from lion_search.dsl.functions import Function, Parity, Properties, Type, Words, ZeroIf
from lion_search.dsl.tex import Level, Tex

softsign = Function(
    "softsign", (Type.TREE,), None, lambda xp, x: x / (1 + xp.abs(x)), cost=4.0, about="x / (1 + |x|)",
    code="{0} / (1 + {xp}.abs({0}))",
    latex=lambda x: Tex(r"\frac{%s}{1 + \lvert %s \rvert}" % (x.text, x.text), Level.CALL),
    latex_note="softsign", words=Words("softened"),
    properties=Properties(parity=Parity.ODD, keeps_sign=True, low=-1.0, high=1.0, zero_if=ZeroIf.FIRST),
)
spread = Function(
    "spread", (Type.TREE,), Type.SCALAR, lambda xp, x: max(map(xp.max, x)) - min(map(xp.min, x)),
    code="_spread({0})", properties=Properties(low=0.0),
    helpers=("""
def _spread(x):
    return max({xp}.max(a) for a in x) - min({xp}.min(a) for a in x)
""",),
)
centred = Function(
    "centred", (Type.TREE,), Type.TREE, lambda xp, x: tuple(a - xp.mean(a) for a in x),
    code="{0} - {xp}.mean({0})",
)
silent = Function("silent", (Type.TREE,), None, lambda xp, x: x)
'''
LIMITS = RewriteLimits(nodes=2_000, seconds=60.0)


@pytest.fixture(autouse=True, scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The rows are loaded as a run loads them, and gone after the module's tests."""
    folder: Path = tmp_path_factory.mktemp("stranger")
    (folder / "strangers_functions.py").write_text(MODULE)
    names = ("softsign", "spread", "centred", "silent")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        for name in names:
            load_function(f"strangers_functions:{name}")
        yield
    for name in names:
        del functions._TABLE[name]
    default_engine.cache_clear()


def _update(expression: str) -> Program:
    return parse(f"def train(w, g, m, lr):\n    update = {expression}\n    return update, m\n")


def test_it_is_typed_by_its_row():
    assert check(_update("softsign(lr)"))[0] is functions.Type.SCALAR
    assert check(_update("softsign(norm(g))"))[0] is functions.Type.PER_ARRAY
    assert check(_update("spread(g)"))[0] is functions.Type.SCALAR


def test_mutation_proposes_it():
    space, rng = MutationSpace(functions=("softsign", "spread", "add")), random.Random(0)
    found = set()
    for _ in range(200):
        child = mutate(_update("sign(g)"), space, rng)
        assert child is not None
        check(child.program)
        found |= {s.function for s in child.program.statements}
    assert {"softsign", "spread"} <= found
    assert "softsign" not in MutationSpace().functions == BUILT_IN


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_it_is_evaluated(xp: object):
    domain = ArrayDomain(xp, ((3,), ()), np.float32)
    tree = (np.float32([-3.0, 0.0, 1.0]), np.float32(7.0))
    (first, second), _ = step(_update("softsign(g) * spread(g)"), domain, tree, tree, [tree], 1.0)
    np.testing.assert_allclose(first, [-7.5, 0.0, 5.0], rtol=1e-6)
    np.testing.assert_allclose(second, 8.75, rtol=1e-6)


def test_it_is_encoded_for_the_interpreter():
    assert encode(_update("softsign(g) * spread(g)"))[1].num_instructions == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("softsign(-g)", "-softsign(g)"),
        ("sign(softsign(g))", "sign(g)"),
        ("abs(spread(g))", "spread(g)"),
        ("softsign(m)", "m * 0.0"),  # as the state stays zero
    ],
)
def test_identities_use_what_is_known_of_it(one: str, other: str):
    assert functional_hash(_update(one)) == functional_hash(_update(other))


def test_identities_assume_nothing_of_what_is_not_said():
    assert functional_hash(_update("silent(-g)")) != functional_hash(_update("-silent(g)"))
    assert functional_hash(_update("abs(silent(g))")) != functional_hash(_update("silent(g)"))


@pytest.mark.parametrize(
    ("found", "simple", "rule"),
    [
        ("softsign(sign(g))", "sign(g) * 0.5", "softsign-of-sign"),
        ("abs(softsign(g)) * sign(g)", "softsign(g)", "abs-softsign-times-sign"),
        ("maximum(softsign(g), 2.0) * g", "g * 2.0", "maximum-decided"),
        ("silent(sign(g))", "silent(sign(g))", ""),
    ],
)
def test_proofs_use_what_is_known_of_it(found: str, simple: str, rule: str):
    result = rewrite(_update(found), PROVED, LIMITS)
    assert functional_hash(result.after) == functional_hash(_update(simple))
    assert not rule or rule in result.fired


def test_a_state_is_seen_to_be_never_negative_by_its_bounds():
    text = "def train(w, g, v, lr):\n    v = interp(softsign(square(g)), v, 0.9)\n    return v, v\n"
    assert "v" in never_negative(canonicalise(parse(text)).program()) | never_negative(parse(text))


def test_values_are_named_by_its_words():
    program = parse("def train(w, g, lr):\n a = softsign(w)\n update = a * g + a\n return update\n")
    assert "softened = softsign(w)" in format_program(readable(program))


def test_its_latex_is_that_of_its_row():
    text = to_equations(_update("softsign(g) * lr"))
    assert text.startswith("% softsign\n")
    assert r"\frac{g_t}{1 + \lvert g_t \rvert}" in text
    # An argument that would be written twice gets a line of its own.
    assert to_equations(_update("softsign(w * g)")).count(r"\, g_t") == 1
    assert r"\operatorname{silent}(g_t)" in to_equations(_update("silent(g)"))


@pytest.mark.parametrize(
    "expression",
    [
        "softsign(g)",
        "softsign(norm(g)) * w",
        "softsign(g) * spread(g)",
        "softsign(centred(g))",
        "softsign(centred(g)) * spread(g)",
        "softsign(centred(lr)) + g",
    ],
)
def test_its_code_is_in_every_export(expression: str):
    """Also of a row that looks across arrays and brings a helper, and of one that takes whole arrays."""
    program = _update(expression)
    texts = {name: export.write(program, About("found", "A title")) for name, export in EXPORTS.items()}
    assert all("1 + " in texts[name] for name in ("optax", "torch", "keras", "numpy"))
    namespace: dict[str, object] = {}
    exec(compile(texts["optax"], "found.py", "exec"), namespace)
    rule: optax.GradientTransformation = namespace["found"]()  # type: ignore[operator]
    tree = [jnp.float32([-3.0, 0.5, 1.0]), jnp.float32(7.0)]
    found, _ = rule.update(tree, rule.init(tree), tree)
    expected, _ = step(program, ArrayDomain(np, ((3,), ()), np.float32), tree, tree, [tree], 1.0)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(-a, b, rtol=1e-6)


def test_a_row_without_code_cannot_be_exported():
    for export in (EXPORTS[name] for name in ("optax", "torch", "keras", "numpy")):
        with pytest.raises(functions.ProgramError, match="'silent' of your own has no code for"):
            export.write(_update("silent(g)"), About("found", "A title"))


def test_no_file_of_the_project_knows_it():
    assert "softsign" not in BUILT_IN
    assert list(FUNCTIONS)[-4:] == ["softsign", "spread", "centred", "silent"]
