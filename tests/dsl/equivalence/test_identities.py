"""Each identity alone: it fires where its name says, and what it gives equals what was there.

Equal means: in float64, wherever the original and everything before it is finite, and no small change of an
intermediate result moves the original (see conftest). The same check must catch identities that are wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from dsl_programs import expression as written

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.identities import (
    IDENTITIES,
    NO_REWRITES,
    REWRITES,
    Identity,
    rewrites,
)
from lion_search.dsl.equivalence.value_graph import Node, Rewrite, ValueGraph
from lion_search.dsl.families import families
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.text import format_program

# What each identity rewrites, as the update of a program. `w` is of size 1, `g` of sizes 1 to 1e-3 and has
# exact zeros; one argument may be enough, all orders of commuting arguments are wanted.
EXAMPLES: dict[str, list[str]] = {
    "add-zero": ["g + 0.0", "0.0 + g"],
    "add-negative": ["w + -g", "-g + w", "-g + 0.5", "-w + -g"],
    "add-itself": ["g + g"],
    "add-constants": ["g + 0.25 + 0.5", "0.3 + (-0.1 + g)"],
    "subtract-itself": ["sin(g) - sin(g)"],
    "subtract-from-zero": ["0.0 - g"],
    "subtract-from-negative": ["-w - g", "-g - w"],
    "subtract-constant": ["g - 0.3", "g - -0.3"],
    "subtract-negative": ["w - -g", "0.5 - -g"],
    "multiply-zero": ["g * 0.0"],
    "multiply-one": ["g * 1.0", "1.0 * g"],
    "multiply-minus-one": ["g * -1.0"],
    "multiply-constants": ["g * 0.3 * -7.0"],
    "multiply-negative": ["-g * w", "w * -g", "-g * 0.3", "-g * -w"],
    "multiply-itself": ["g * g"],
    "multiply-square": ["square(g) * g", "g * square(g)", "w * square(w)"],
    "multiply-sign-abs": ["sign(g) * abs(g)", "abs(w) * sign(w)"],
    "divide-zero": ["0.0 / g"],
    "divide-constant": ["g / 3.0", "g / -0.7", "g / 0.0", "g / 1e-8"],
    "divide-negative": ["-w / g", "-g / w"],
    "negative-negative": ["-(-g)"],
    "negative-scaled": ["-(g * 0.3)"],
    "negative-difference": ["-(w - g)"],
    "abs-scaled": ["abs(g * -0.3)", "abs(w * 0.3)"],
    "square-scaled": ["square(g * -0.3)"],
    "sign-scaled": ["sign(g * -0.3)", "sign(g * 0.3)"],
    "sign-exp": ["sign(exp(g))"],
    "sign-cosh": ["sign(cosh(w))"],
    "log-square": ["log(square(g))", "log(square(w))"],
    "power-zero": ["power(g, 0.0)"],
    "power-one": ["power(g, 1.0)"],
    "power-two": ["power(g, 2.0)"],
    "power-three": ["power(g, 3.0)"],
    "power-half": ["power(g, 0.5)", "power(abs(w), 0.5)"],
    "power-minus-one": ["power(g, -1.0)"],
    "power-of-one": ["power(1.0, g)"],
    "maximum-itself": ["maximum(g, g)"],
    "minimum-itself": ["minimum(g, g)"],
    "dot-itself": ["dot(g, g) * w", "dot(norm(g), norm(g)) * w"],
    "interp-zero": ["interp(w, g, 0.0)"],
    "interp-one": ["interp(w, g, 1.0)"],
    "interp-itself": ["interp(g, g, 0.3)", "interp(g, g, lr)"],
    "interp-from-zero": ["interp(0.0, g, 0.3)"],
    "interp-to-zero": ["interp(g, 0.0, 0.3)", "interp(g, 0.0, -2.5)"],
    "interp-order": ["interp(w, g, 0.9)", "interp(g, w, 0.999)", "interp(w, g, 1.5)"],
}
# The families: everything is applied to a tree with both signs and zeros, and to one array's norm.
_KNOWN = families(FUNCTIONS[name] for name in BUILT_IN)
EXAMPLES |= {f"{f}-negative": [f"{f}(-g) * w", f"{f}(-w) + g"] for f in (*_KNOWN.odd, *_KNOWN.even)}
EXAMPLES |= {f"{f}-abs": [f"{f}(abs(g)) * w", f"{f}(abs(w)) + g"] for f in _KNOWN.blind_to_abs}
EXAMPLES |= {f"abs-{f}": [f"abs({f}(g * 9.0)) * w", f"abs({f}(w * 3.0))"] for f in _KNOWN.never_negative}
EXAMPLES |= {f"sign-{f}": [f"sign({f}(g))", f"sign({f}(w))"] for f in _KNOWN.keeps_sign}
EXAMPLES |= {
    f"{f}-{g}": [f"{f}({g}(g * 9.0))", f"{f}({g}(w))"]
    for f, g in (*_KNOWN.left_inverses, *_KNOWN.inverses_up_to_sign)
}

Reference = Callable[..., SimpleNamespace]
Walk = Callable[..., np.ndarray]


def _watched(identity: Identity) -> tuple[Mapping[str, Sequence[Rewrite]], list[Node]]:
    """The identity alone, and a list of what it has rewritten to."""
    fired: list[Node] = []

    def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
        node = identity.rewrite(graph, args)
        if node is not None:
            fired.append(node)
        return node

    return rewrites((Identity(identity.name, identity.function, rewrite),)), fired


def _wrong(outputs: np.ndarray, expected: SimpleNamespace) -> np.ndarray:
    """Where they differ, of what can be compared."""
    with np.errstate(invalid="ignore"):
        errors = np.abs(outputs - expected.outputs)
    return expected.comparable & ~(errors <= 1e-6 * np.abs(expected.outputs))


def _disagreement(identity: Identity, expression: str, reference: Reference, walk: Walk) -> str:
    """Empty if the identity alone keeps the expression's value where it can be compared, and it can."""
    table, fired = _watched(identity)
    program = written(expression)
    rewritten = canonicalise(program, table).program()
    if not fired:
        return f"{identity.name} does not fire on {expression}"
    expected = reference(program, num_steps=5)
    if not expected.comparable.any():
        return f"{expression} is nowhere comparable"
    outputs = walk(rewritten, num_steps=5)
    wrong = _wrong(outputs, expected)
    if not wrong.any():
        return ""
    at = tuple(np.argwhere(wrong)[0])
    values = f"{outputs[at]}, expected {expected.outputs[at]}"
    return f"{identity.name} on {expression}: {values}, from\n{format_program(rewritten)}"


def test_every_identity_has_a_name_of_its_own_and_examples():
    names = [identity.name for identity in IDENTITIES]
    assert len(set(names)) == len(names)
    assert set(EXAMPLES) == set(names)


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)
def test_an_identity_alone_fires_and_keeps_every_value(identity: Identity, reference: Reference, walk: Walk):
    for expression in EXAMPLES[identity.name]:
        assert _disagreement(identity, expression, reference, walk) == ""


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)
def test_every_identity_has_an_effect_among_the_others(identity: Identity):
    """No row is dead because others always come first: without it some example has another canonical form.

    Or it has a shorter way to the same form; then at least it is the one that is taken.
    """
    table, fired = _watched(identity)
    watched = dict(REWRITES)
    watched[identity.function] = tuple(
        table[identity.function][0] if rewrite is identity.rewrite else rewrite
        for rewrite in REWRITES[identity.function]
    )
    for expression in EXAMPLES[identity.name]:
        canonicalise(written(expression), watched)
    assert fired


@pytest.mark.parametrize("name", EXAMPLES)
def test_all_identities_together_keep_every_value_and_come_to_an_end(
    name: str, reference: Reference, walk: Walk
):
    """What they give is not rewritten again."""
    for expression in EXAMPLES[name]:
        expected = reference(written(expression), num_steps=5)
        once = canonicalise(written(expression))
        assert not _wrong(walk(once.program(), num_steps=5), expected).any(), expression
        assert canonicalise(once.program()).hash == once.hash


def test_equal_forms_share_a_hash_only_with_identities():
    pairs = [("g * g", "square(g)"), ("w - -g", "g + w"), ("interp(w, g, 0.9)", "interp(g, w, 0.1)")]
    for one, other in pairs:
        one_program, other_program = written(one), written(other)
        assert canonicalise(one_program).hash == canonicalise(other_program).hash
        assert canonicalise(one_program, NO_REWRITES).hash != canonicalise(other_program, NO_REWRITES).hash


def _argument(graph: ValueGraph, args: tuple[Node, ...], inner: str) -> Node | None:
    found = graph.args_if(args[0], inner)
    return None if found is None else found[0]


def _on(function: str, inner: str, build: Callable[[ValueGraph, Node], Node]) -> Identity:
    """A wrong identity: function(inner(x)) becomes ``build(graph, x)``."""

    def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
        x = _argument(graph, args, inner)
        return None if x is None else build(graph, x)

    return Identity(f"wrong-{function}-{inner}", function, rewrite)


def _divide_by_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[1], "negative")
    return None if found is None else graph.make("negative", graph.make("divide", args[0], found[0]))


def _interp_keeps_weight(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    return graph.make("interp", args[1], args[0], args[2]) if args[0] > args[1] else None


WRONG = [
    (_on("sqrt", "square", lambda graph, x: x), "sqrt(square(g))"),  # |x|
    (_on("exp", "log", lambda graph, x: x), "exp(log(g))"),  # |x|
    (_on("arcsin", "sin", lambda graph, x: x), "arcsin(sin(w * 3.0))"),  # only for |x| <= pi / 2
    (_on("cos", "negative", lambda graph, x: graph.make("negative", graph.make("cos", x))), "cos(-g)"),
    (_on("exp", "negative", lambda graph, x: graph.make("exp", x)), "exp(-g)"),
    (_on("sign", "log", lambda graph, x: graph.make("sign", x)), "sign(log(w))"),
    (_on("abs", "sin", lambda graph, x: graph.make("sin", x)), "abs(sin(w))"),
    (_on("log1p", "negative", lambda graph, x: graph.make("log1p", x)), "log1p(-w)"),
    # x / -y is not -(x / y): 1e-8 is added, which shows where y is small
    (Identity("wrong-divide", "divide", _divide_by_negative), "w / -(g * 0.0001)"),
    (Identity("wrong-interp", "interp", _interp_keeps_weight), "interp(g, w, 0.9)"),
]


@pytest.mark.parametrize(("identity", "expression"), WRONG, ids=lambda value: getattr(value, "name", None))
def test_a_wrong_identity_is_caught(identity: Identity, expression: str, reference: Reference, walk: Walk):
    """The check of this file can fail, even for what is almost right."""
    assert "expected" in _disagreement(identity, expression, reference, walk)
