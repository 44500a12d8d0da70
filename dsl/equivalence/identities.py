"""Exact identities as rows: a short name, the function at the root, and the rewrite.

They hold over the reals wherever the original is finite; they may be finite where the original is not,
because the canonical form is also what is evaluated. Each makes the graph smaller or moves it towards a
fixed normal form (signs and constant factors outwards, constants last, ``interp`` with the smaller
weight on its second argument), so that rewriting ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from lion_search.dsl.equivalence.value_graph import Node, Rewrite, ValueGraph
from lion_search.dsl.families import families
from lion_search.dsl.functions import BUILT_IN, EPSILON, FUNCTIONS, Function, own_functions


@dataclass(frozen=True, slots=True)
class Identity:
    """One rewrite: what applies ``function`` to arguments of some form equals another node."""

    name: str
    function: str
    rewrite: Rewrite


def _when(inner: str, build: Callable[[ValueGraph, Node], Node]) -> Rewrite:
    """Rewrites f(inner(x)) to ``build(graph, x)``."""

    def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
        found = graph.args_if(args[0], inner)
        return None if found is None else build(graph, found[0])

    return rewrite


def _second_is(constant: float, build: Callable[[ValueGraph, Node], Node]) -> Rewrite:
    """Rewrites f(x, constant) to ``build(graph, x)``."""

    def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
        return build(graph, args[0]) if graph.value[args[1]] == constant else None

    return rewrite


def _itself(graph: ValueGraph, x: Node) -> Node:
    return x


def _zero(graph: ValueGraph, x: Node) -> Node:
    return graph.constant(0.0)


def _one(graph: ValueGraph, x: Node) -> Node:
    return graph.constant(1.0)


def _map(name: str) -> Callable[[ValueGraph, Node], Node]:
    return lambda graph, x: graph.make(name, x)


def _negated(name: str) -> Callable[[ValueGraph, Node], Node]:
    return lambda graph, x: graph.make("negative", graph.make(name, x))


def _same(build: Callable[[ValueGraph, Node], Node]) -> Rewrite:
    """Rewrites f(x, x)."""
    return lambda graph, args: build(graph, args[0]) if args[0] == args[1] else None


def _scaled(graph: ValueGraph, node: Node) -> tuple[Node, float] | None:
    """``(x, c)`` if the node is x * c."""
    found = graph.args_if(node, "multiply")
    if found is not None:
        factor = graph.constant_value(found[1])
        if factor is not None:
            return found[0], factor
    return None


def _scale(graph: ValueGraph, x: Node, factor: float) -> Node | None:
    """x * factor, unless the factor is no float32."""
    return graph.make("multiply", x, graph.constant(factor)) if abs(factor) < 3e38 else None


def _add_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    for x, y in (args, args[::-1]):
        found = graph.args_if(y, "negative")
        if found is not None:
            return graph.make("subtract", x, found[0])
    return None


def _add_chain(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    c, inner = graph.constant_value(args[1]), graph.args_if(args[0], "add")
    if c is None or inner is None:
        return None
    d = graph.constant_value(inner[1])
    if d is None or abs(c + d) > 3e38:
        return None
    return graph.make("add", inner[0], graph.constant(c + d))


def _subtract_constant(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    c = graph.constant_value(args[1])
    return None if c is None else graph.make("add", args[0], graph.constant(-c))


def _subtract_from_zero(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    return graph.make("negative", args[1]) if graph.value[args[0]] == 0.0 else None


def _subtract_from_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[0], "negative")
    return None if found is None else graph.make("negative", graph.make("add", found[0], args[1]))


def _subtract_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[1], "negative")
    return None if found is None else graph.make("add", args[0], found[0])


def _multiply_chain(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    c = graph.constant_value(args[1])
    inner = None if c is None else _scaled(graph, args[0])
    return None if c is None or inner is None else _scale(graph, inner[0], c * inner[1])


def _multiply_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    for x, y in (args, args[::-1]):
        found = graph.args_if(x, "negative")
        if found is not None:
            c = graph.constant_value(y)
            if c is not None:
                return graph.make("multiply", found[0], graph.constant(-c))
            return graph.make("negative", graph.make("multiply", found[0], y))
    return None


def _multiply_to_cube(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    for x, y in (args, args[::-1]):
        if graph.args_if(x, "square") == (y,):
            return graph.make("cube", y)
    return None


def _multiply_sign_abs(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    for x, y in (args, args[::-1]):
        found = graph.args_if(x, "sign")
        if found is not None and graph.args_if(y, "abs") == found:
            return found[0]
    return None


def _divide_constant(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    c = graph.constant_value(args[1])
    return None if c is None or c + EPSILON == 0 else _scale(graph, args[0], 1 / (c + EPSILON))


def _divide_zero(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    return graph.constant(0.0) if graph.value[args[0]] == 0.0 else None


def _divide_negative(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[0], "negative")
    return None if found is None else graph.make("negative", graph.make("divide", found[0], args[1]))


def _negative_scaled(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = _scaled(graph, args[0])
    return None if found is None else _scale(graph, found[0], -found[1])


def _negative_difference(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[0], "subtract")
    return None if found is None else graph.make("subtract", found[1], found[0])


def _abs_scaled(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = _scaled(graph, args[0])
    return None if found is None else _scale(graph, graph.make("abs", found[0]), abs(found[1]))


def _square_scaled(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = _scaled(graph, args[0])
    return None if found is None else _scale(graph, graph.make("square", found[0]), found[1] ** 2)


def _sign_scaled(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = _scaled(graph, args[0])
    if found is None or found[1] == 0:
        return None
    return graph.make("multiply", graph.make("sign", found[0]), graph.constant(1.0 if found[1] > 0 else -1.0))


def _log_square(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    found = graph.args_if(args[0], "square")
    return None if found is None else _scale(graph, graph.make("log", found[0]), 2.0)


def _power_of_one(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    return graph.constant(1.0) if graph.value[args[0]] == 1.0 else None


def _interp_weight(weight: float, position: int) -> Rewrite:
    return lambda graph, args: args[position] if graph.value[args[2]] == weight else None


def _interp_with_zero(zero: int) -> Rewrite:
    def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
        a = graph.constant_value(args[2])
        if a is None or graph.value[args[zero]] != 0.0:
            return None
        return _scale(graph, args[1 - zero], a if zero == 0 else 1 - a)

    return rewrite


def _interp_order(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
    a = graph.constant_value(args[2])
    # The smaller weight is the precise one: 1 - 0.999 is 0.001, but 1 - 1e-9 is 1 in float32.
    return (
        graph.make("interp", args[1], args[0], graph.constant(1 - a)) if a is not None and a > 0.5 else None
    )


_SINGLE: tuple[Identity, ...] = (
    Identity("add-zero", "add", _second_is(0.0, _itself)),
    Identity("add-negative", "add", _add_negative),
    Identity("add-itself", "add", _same(lambda graph, x: graph.make("multiply", x, graph.constant(2.0)))),
    Identity("add-constants", "add", _add_chain),
    Identity("subtract-itself", "subtract", _same(_zero)),
    Identity("subtract-from-zero", "subtract", _subtract_from_zero),
    Identity("subtract-constant", "subtract", _subtract_constant),
    Identity("subtract-negative", "subtract", _subtract_negative),
    Identity("subtract-from-negative", "subtract", _subtract_from_negative),
    Identity("multiply-zero", "multiply", _second_is(0.0, _zero)),
    Identity("multiply-one", "multiply", _second_is(1.0, _itself)),
    Identity("multiply-minus-one", "multiply", _second_is(-1.0, _map("negative"))),
    Identity("multiply-constants", "multiply", _multiply_chain),
    Identity("multiply-negative", "multiply", _multiply_negative),
    Identity("multiply-itself", "multiply", _same(_map("square"))),
    Identity("multiply-square", "multiply", _multiply_to_cube),
    Identity("multiply-sign-abs", "multiply", _multiply_sign_abs),
    Identity("divide-zero", "divide", _divide_zero),
    Identity("divide-constant", "divide", _divide_constant),
    Identity("divide-negative", "divide", _divide_negative),
    Identity("negative-negative", "negative", _when("negative", _itself)),
    Identity("negative-scaled", "negative", _negative_scaled),
    Identity("negative-difference", "negative", _negative_difference),
    Identity("abs-scaled", "abs", _abs_scaled),
    Identity("square-scaled", "square", _square_scaled),
    Identity("sign-scaled", "sign", _sign_scaled),
    Identity("sign-exp", "sign", _when("exp", _one)),
    Identity("sign-cosh", "sign", _when("cosh", _one)),
    Identity("log-square", "log", _log_square),
    Identity("power-zero", "power", _second_is(0.0, _one)),
    Identity("power-one", "power", _second_is(1.0, _itself)),
    Identity("power-two", "power", _second_is(2.0, _map("square"))),
    Identity("power-three", "power", _second_is(3.0, _map("cube"))),
    Identity("power-half", "power", _second_is(0.5, _map("sqrt"))),
    Identity("power-minus-one", "power", _second_is(-1.0, _map("reciprocal"))),
    Identity("power-of-one", "power", _power_of_one),
    Identity("maximum-itself", "maximum", _same(_itself)),
    Identity("minimum-itself", "minimum", _same(_itself)),
    Identity("dot-itself", "dot", _same(lambda graph, x: graph.make("square", graph.make("global_norm", x)))),
    Identity("interp-zero", "interp", _interp_weight(0.0, 0)),
    Identity("interp-one", "interp", _interp_weight(1.0, 1)),
    Identity("interp-itself", "interp", _same(_itself)),
    Identity("interp-from-zero", "interp", _interp_with_zero(0)),
    Identity("interp-to-zero", "interp", _interp_with_zero(1)),
    Identity("interp-order", "interp", _interp_order),
)
"""Relations of single functions; those of whole families are made of what the rows say."""


def of_families(rows: Iterable[Function]) -> tuple[Identity, ...]:
    """What follows from the properties of some functions."""
    known = families(rows)
    return (
        *(Identity(f"{f}-negative", f, _when("negative", _negated(f))) for f in known.odd),
        *(Identity(f"{f}-negative", f, _when("negative", _map(f))) for f in known.even),
        *(Identity(f"{f}-abs", f, _when("abs", _map(f))) for f in known.blind_to_abs),
        *(Identity(f"abs-{f}", "abs", _when(f, _map(f))) for f in known.never_negative),
        *(Identity(f"sign-{f}", "sign", _when(f, _map("sign"))) for f in known.keeps_sign),
        *(Identity(f"{f}-{g}", f, _when(g, _itself)) for f, g in known.left_inverses),
        *(Identity(f"{f}-{g}", f, _when(g, _map("abs"))) for f, g in known.inverses_up_to_sign),
    )


IDENTITIES: tuple[Identity, ...] = (*_SINGLE, *of_families(FUNCTIONS[name] for name in BUILT_IN))
"""All identities of the language's own functions, in the order in which they are tried."""


def rewrites(identities: tuple[Identity, ...] = IDENTITIES) -> Mapping[str, tuple[Rewrite, ...]]:
    """The rewrites by the function at their root."""
    table: dict[str, tuple[Rewrite, ...]] = {}
    for identity in identities:
        table[identity.function] = (*table.get(identity.function, ()), identity.rewrite)
    return MappingProxyType(table)


REWRITES = rewrites()
NO_REWRITES: Mapping[str, tuple[Rewrite, ...]] = MappingProxyType({})


def known_rewrites() -> Mapping[str, tuple[Rewrite, ...]]:
    """Those of all functions that this process knows, a user's own included."""
    return REWRITES if len(FUNCTIONS) == len(BUILT_IN) else _with_own(tuple(own_functions()))


@lru_cache(maxsize=8)
def _with_own(rows: tuple[Function, ...]) -> Mapping[str, tuple[Rewrite, ...]]:
    return rewrites((*IDENTITIES, *of_families(rows)))
