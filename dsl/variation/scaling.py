"""A program's update times a factor, the factor inside one of its constants where that is possible.

How far an update goes is mostly a matter of one constant, the peak learning rate. To try a program at
another rate is to scale its update; were that a statement each time, programs would grow by being tried. So
a constant takes the factor in if it can. Which one can is not guessed from the program's form: each that
might is tried, and a trial counts only if the functional hash, under the identities and those of this
module, says that it is the program with the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.identities import IDENTITIES, Identity, rewrites
from lion_search.dsl.equivalence.value_graph import Node, Rewrite, ValueGraph, round_to_float32
from lion_search.dsl.functions import BUILT_IN, EPSILON, FUNCTIONS, CommonFactor, Function, Parity
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.variation.statements import MAX_SIZE, fresh_name, with_argument


def scale_update(program: Program, factor: float) -> Program:
    """The program with its update multiplied by a factor, and the states that matter as they are.

    The factor goes into one constant that stands in a product or a quotient, the nearest to the end that
    can take it; if none can, one statement is appended, whose constant takes the next factor. Constants are
    found through products, numerators, norms, and sums all of whose terms they scale, and as denominators
    where float32 hides their epsilon; not inside other functions (``sqrt(c)``, ``exp(x + c)``) nor in
    denominators ``x * c``, and no two are changed at once.

    With a power of two the scaling is exact. With another factor the new constant is rounded to float32.
    Where constants meet in one product, rounding may leave none of the same hash; then, too, a statement is
    appended.

    Args:
        program: a checked program.
        factor: a positive number from 1e-30 to 1e30, usually a power of two.

    Returns:
        A checked program; the same one if scaling changes nothing, as the factor is 1 or the update 0.

    Raises:
        ValueError: the factor is out of range.
    """
    if not (factor > 0 and _is_moderate(factor)):
        raise ValueError(f"cannot scale by {factor}; expected a number from {1 / MAX_SIZE} to {MAX_SIZE}")
    factor = round_to_float32(factor)
    if factor == 1 or canonicalise(program).outputs[0] == 0.0:
        return program
    changed = _last_product(program, factor)
    if changed is not None:
        return changed
    appended = _appended(program, factor)
    wanted = canonicalise(appended, _REWRITES)
    if wanted.outputs[0] == 0.0:  # by underflow of a product of constants: that proves nothing
        return appended
    for variant in _variants(program, factor):
        if canonicalise(variant, _REWRITES).hash == wanted.hash:
            return variant
    return appended


def _is_moderate(constant: float) -> bool:
    """Whether a constant is well inside float32, as those of mutation."""
    return 1 / MAX_SIZE <= abs(constant) <= MAX_SIZE


def _last_product(program: Program, factor: float) -> Program | None:
    """The program with the factor in its last statement, if that is of the form which is appended.

    It needs no proof; and of a product of constants, each rounded to float32, the hash may give none.
    """
    update, *states = program.outputs
    last = program.statements[-1] if program.statements else None
    if last is None or last.function != "multiply" or last.target != update or update in states:
        return None
    constant = _changed(last, 1, factor)
    return None if constant is None else with_argument(program, len(program.statements) - 1, 1, constant)


def _variants(program: Program, factor: float) -> Iterator[Program]:
    """The program with one constant changed by the factor, the constants nearest to the end first."""
    # Of one step: what the update depends on only through states cannot scale it and leave them alone.
    alive = liveness(replace(program, states=(), outputs=program.outputs[:1])).statements
    for at in range(len(alive) - 1, -1, -1):
        if alive[at] and program.statements[at].function in ("multiply", "divide"):
            for position in (1, 0):
                constant = _changed(program.statements[at], position, factor)
                if constant is not None:
                    yield with_argument(program, at, position, constant)


def _changed(statement: Statement, position: int, factor: float) -> float | None:
    """The constant at a position with which the statement's value is multiplied by the factor."""
    old = statement.args[position]
    if isinstance(old, str):
        return None
    if statement.function == "divide" and position == 1:
        new = (round_to_float32(old) + EPSILON) / factor - EPSILON
    else:
        new = round_to_float32(old) * factor
    return round_to_float32(new) if _is_moderate(new) else None


def _appended(program: Program, factor: float) -> Program:
    """The program with one more statement, which overwrites the update unless a state returns it too."""
    update, *states = program.outputs
    target = update if isinstance(update, str) and update not in states else fresh_name(program)
    statement = Statement(target, "multiply", (update, factor))
    return replace(program, statements=(*program.statements, statement), outputs=(target, *states))


# ---- Identities that move factors outwards, so that x * (lr * c) * d has one factor, c * d. They are no part
# of the canonical form, which is what is hashed in the log and evaluated.


def _scaled(graph: ValueGraph, node: Node) -> tuple[Node, float]:
    """``(x, c)`` such that the node is x * c; a constant is 1 * c, and all other nodes x are x * 1."""
    value = graph.constant_value(node)
    if value is not None:
        return graph.constant(1.0), value
    found = graph.args_if(node, "multiply")
    factor = None if found is None else graph.constant_value(found[1])
    return (node, 1.0) if found is None or factor is None else (found[0], factor)


def _times(graph: ValueGraph, node: Node, factor: float) -> Node | None:
    """node * factor, as one product if the node is one; ``None`` if its factor were not moderate."""
    inner, old = _scaled(graph, node)
    new = old * factor
    return graph.make("multiply", inner, graph.constant(new)) if _is_moderate(new) else None


def _factor_of(position: int, build: Callable[[float], float]) -> Callable[[str], Rewrite]:
    """Rewrites f(x * c, ...), the product at a position, to f(x, ...) * build(c)."""

    def rewrite_of(function: str) -> Rewrite:
        def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
            inner, factor = _scaled(graph, args[position])
            if factor == 1 or not _is_moderate(factor):
                return None
            if function == "multiply" and graph.constant_value(args[1]) is not None:
                return None  # in normal form
            value = graph.make(function, *args[:position], inner, *args[position + 1 :])
            return _times(graph, value, build(factor))

        return rewrite

    return rewrite_of


def _common_factor(*, positive: bool) -> Callable[[str], Rewrite]:
    """Rewrites f(x * c, y * d, ...) to f(x, y * (d / c), ...) * c, perhaps for positive c only."""

    def rewrite_of(function: str) -> Rewrite:
        def rewrite(graph: ValueGraph, args: tuple[Node, ...]) -> Node | None:
            (x, c), (y, d) = first, second = _scaled(graph, args[0]), _scaled(graph, args[1])
            # Which of two commuting terms gives the factor must not depend on the factors.
            if FUNCTIONS[function].commutative and graph.constant_value(args[1]) is None and x > y:
                (x, c), (y, d) = second, first
            if c == 1 or not _is_moderate(c) or (positive and c < 0):
                return None
            other = _times(graph, y, d / c)
            return None if other is None else _times(graph, graph.make(function, x, other, *args[2:]), c)

        return rewrite

    return rewrite_of


def _of_row(row: Function) -> Iterator[Identity]:
    """How factors come out of a function, from what its row knows."""
    known = row.properties
    build: Callable[[float], float] = abs if known.parity is Parity.EVEN else float
    makers = [_factor_of(at, build) for at, degree in enumerate(known.degrees) if degree == 1]
    if known.common_factor is not None:
        makers.append(_common_factor(positive=known.common_factor is CommonFactor.POSITIVE))
    for make in makers:
        yield Identity(f"{row.name}-factor", row.name, make(row.name))


_REWRITES = rewrites((*IDENTITIES, *(i for name in BUILT_IN for i in _of_row(FUNCTIONS[name]))))
