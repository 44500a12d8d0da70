"""The canonical form of a program, and its functional hash.

The canonical form keeps what the program computes and drops how it is written: dead statements (liveness
across steps), names, order, the order of commuting arguments, the identities' left sides, states that
stay zero, states that are always equal, and digits of constants beyond float32. It is what is hashed and
what is evaluated, so that a score is a function of (hash, task, seed).

States are renamed by partition refinement: all states start in one class; a state's next class is the
structure of its new value under the current classes. States that stay in one class are equal forever
(all start at zero) and are merged.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from lion_search.dsl.equivalence.identities import known_rewrites
from lion_search.dsl.equivalence.value_graph import Node, Rewrite, ValueGraph
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import FUNCTIONS, ZeroIf
from lion_search.dsl.liveness import Liveness, liveness, prune
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, WEIGHTS, Argument, Program, Statement

SEMANTICS_VERSION = 1
"""Part of every hash. Raise it when the meaning of any program or the canonical form changes."""

Form = tuple[str, int, tuple[tuple[str, tuple[Argument, ...]], ...], tuple[Argument, ...]]
"""The first four attributes of :class:`Canonical`."""

_INPUT_KEY = {WEIGHTS: 1, GRADIENT: 2, LEARNING_RATE: 3}


@dataclass(frozen=True, slots=True)
class Canonical:
    """A canonical form.

    Attributes:
        hash: the functional hash, 32 hexadecimal digits.
        num_states: how many states are left.
        applications: function and arguments of each statement, in order.
        outputs: the update, then each state.
        liveness: of the program it was made from.
    """

    hash: str
    num_states: int
    applications: tuple[tuple[str, tuple[Argument, ...]], ...]
    outputs: tuple[Argument, ...]
    liveness: Liveness

    def program(self) -> Program:
        """The canonical form as a program."""
        return as_program(self.num_states, self.applications, self.outputs)


def as_program(
    num_states: int, applications: Sequence[tuple[str, tuple[Argument, ...]]], outputs: tuple[Argument, ...]
) -> Program:
    """The program of a form; see :class:`Canonical` for its parts."""
    statements = (Statement(f"x{i}", f, args) for i, (f, args) in enumerate(applications))
    return Program(tuple(map(_state_name, range(num_states))), tuple(statements), outputs)


def canonicalise(program: Program, rewrites: Mapping[str, Sequence[Rewrite]] | None = None) -> Canonical:
    """The canonical form of a checked program.

    Args:
        program: any checked program.
        rewrites: the identities to use, if not all that this process knows.

    Returns:
        Its canonical form; two programs with one hash have the same canonical form.
    """
    alive = liveness(program)
    pruned = prune(program, alive)
    # Most children of a search differ from earlier ones in redundant statements only.
    form = _cached_form(pruned) if rewrites is None else _form(pruned, rewrites)
    return Canonical(*form, alive)


@lru_cache(maxsize=16_384)
def _cached_form(program: Program) -> Form:
    return _form(program, known_rewrites())


def _form(program: Program, rewrites: Mapping[str, Sequence[Rewrite]]) -> Form:
    """The canonical form of a program without redundant statements."""
    standing: dict[str, str | None] = {}  # states known to be zero (None) or equal to another
    while True:
        graph = ValueGraph(rewrites)
        update, *roots = execute(program, graph, _inputs(program, graph, standing))
        state_roots = {s: r for s, r in zip(program.states, roots, strict=True) if s not in standing}
        order, used = _reachable(graph, update, state_roots)
        state_roots = {s: state_roots[s] for s in used}
        found = _zero_states(program, graph, standing, state_roots, rewrites)
        if not found:
            keys, colours = refine(graph, order, state_roots)
            found = _equal_states(colours)
        if not found:
            states = sorted(used, key=colours.__getitem__)
            return linearise(graph, update, [state_roots[s] for s in states], states, keys)
        standing.update(found)


def functional_hash(program: Program) -> str:
    """The functional hash of a checked program."""
    return canonicalise(program).hash


def _state_name(position: int) -> str:
    return ("m", "v")[position] if position < 2 else f"s{position + 1}"


def _reachable(
    graph: ValueGraph, update: Node, state_roots: Mapping[str, Node]
) -> tuple[list[Node], list[str]]:
    """The nodes that matter, in ascending order, and the states that matter, in the header's order."""
    seen: set[Node] = set()
    stack = [update]
    args, value = graph.args, graph.value
    used = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(args[node])
        name = value[node]
        if name.__class__ is str and name in state_roots:
            used.add(name)
            stack.append(state_roots[name])
    return sorted(seen), [s for s in state_roots if s in used]


def _inputs(program: Program, graph: ValueGraph, standing: Mapping[str, str | None]) -> dict[str, Node]:
    """The inputs' nodes; a state known to be zero is the constant, one equal to another is the other."""
    inputs = {name: graph.input(name) for name in program.inputs}
    for name in standing:
        other: str | None = name
        while other is not None and other in standing:
            other = standing[other]
        inputs[name] = graph.constant(0.0) if other is None else inputs[other]
    return inputs


def _zero_states(
    program: Program,
    graph: ValueGraph,
    standing: Mapping[str, str | None],
    state_roots: Mapping[str, Node],
    rewrites: Mapping[str, Sequence[Rewrite]],
) -> dict[str, str | None]:
    """States that stay zero: the largest set whose new values are zero if all of the set is zero."""
    candidates = {s for s, root in state_roots.items() if _may_be_zero(graph, root)}
    while candidates:
        trial = ValueGraph(rewrites)
        inputs = _inputs(program, trial, {**standing, **dict.fromkeys(candidates)})
        _, *roots = execute(program, trial, inputs)
        zero = trial.constant(0.0)
        still = {s for s, r in zip(program.states, roots, strict=True) if s in candidates and r == zero}
        if still == candidates:
            break
        candidates = still
    return dict.fromkeys(candidates)


_FIRST, _BOTH, _ANY = ZeroIf.FIRST, ZeroIf.BOTH, ZeroIf.ANY  # an enum's attribute is slow to look up


def _may_be_zero(graph: ValueGraph, node: Node, depth: int = 6) -> bool:
    """A cheap filter: whether a value could be zero whenever some states are."""
    function = graph.function[node]
    if function is None:
        value = graph.value[node]
        return value == 0.0 if isinstance(value, float) else value not in _INPUT_KEY
    if depth == 0:
        return False
    args = graph.args[node]
    zero_if = FUNCTIONS[function].properties.zero_if
    if zero_if is _FIRST:
        return _may_be_zero(graph, args[0], depth - 1)
    if zero_if is _BOTH:
        return all(_may_be_zero(graph, a, depth - 1) for a in args[:2])
    return zero_if is _ANY and any(_may_be_zero(graph, a, depth - 1) for a in args)


def refine(
    graph: ValueGraph, order: Sequence[Node], state_roots: Mapping[str, Node], *, blank: bool = False
) -> tuple[dict[Node, int], dict[str, int]]:
    """A structural key for each node, and the final class of each state.

    Args:
        graph: the values.
        order: the nodes to give keys to, ascending.
        state_roots: the new value of each state.
        blank: whether all constants are taken for one.
    """
    colours = dict.fromkeys(state_roots, 0)
    classes = min(1, len(colours))
    while True:
        keys = _keys(graph, order, colours, blank)
        new = {s: keys[root] for s, root in state_roots.items()}
        new_classes = len(set(new.values()))
        if new_classes == classes:
            return keys, new
        colours, classes = new, new_classes


def _keys(
    graph: ValueGraph, order: Sequence[Node], colours: Mapping[str, int], blank: bool
) -> dict[Node, int]:
    """Keys from the leaves up. Tuples of integers hash alike in every process.

    Numbers enter by the bits of their float32: to Python's hash, -1.0 and -2.0 are the same.
    """
    keys: dict[Node, int] = {}
    function, args, value = graph.function, graph.args, graph.value
    for node in order:
        name = function[node]
        if name is None:
            leaf = value[node]
            if isinstance(leaf, str):
                keys[node] = hash((5, colours[leaf])) if leaf in colours else _INPUT_KEY[leaf]
            else:
                keys[node] = hash((4, 0 if blank else struct.unpack("<I", struct.pack("<f", leaf))[0]))
        else:
            parts = [keys[a] for a in args[node]]
            if FUNCTIONS[name].commutative:
                parts.sort()
            keys[node] = hash((_name_key(name), *parts))
    return keys


@cache
def _name_key(name: str) -> int:
    """A number for a function's name; strings hash differently in every process."""
    return 16 + zlib.crc32(name.encode())


def _equal_states(colours: Mapping[str, int]) -> dict[str, str | None]:
    first: dict[int, str] = {}
    return {s: first[c] for s, c in colours.items() if first.setdefault(c, s) != s}


def ordered_args(graph: ValueGraph, keys: Mapping[Node, int], node: Node, function: str) -> tuple[Node, ...]:
    """A function's arguments; those that commute in the order of their keys, a constant last."""
    args = graph.args[node]
    if not FUNCTIONS[function].commutative or graph.constant_value(args[1]) is not None:
        return args
    swap = graph.constant_value(args[0]) is not None or keys[args[0]] > keys[args[1]]
    return (args[1], args[0]) if swap else args


def linearise(
    graph: ValueGraph,
    update: Node,
    state_roots: Sequence[Node],
    states: Sequence[str],
    keys: Mapping[Node, int],
) -> Form:
    """Statements in the order in which the update, then the states, need them.

    Args:
        graph: the values.
        update: the node of the update.
        state_roots: the new value of each state,
        states: and its name, in the order in which they are to be numbered.
        keys: of the nodes, see :func:`refine`.
    """
    names: dict[Node, Argument] = {}
    state_names = {s: _state_name(i) for i, s in enumerate(states)}
    applications: list[tuple[str, tuple[Argument, ...]]] = []
    stack = [*reversed(state_roots), update]
    while stack:
        node = stack[-1]
        if node in names:
            stack.pop()
            continue
        function = graph.function[node]
        if function is None:
            leaf = graph.value[node]
            assert leaf is not None, "a node without a function is an input or a constant"
            names[node] = state_names.get(leaf, leaf) if isinstance(leaf, str) else leaf
            continue
        args = ordered_args(graph, keys, node, function)
        missing = [a for a in reversed(args) if a not in names]
        if missing:
            stack.extend(missing)
            continue
        names[node] = f"x{len(applications)}"
        applications.append((function, tuple([names[a] for a in args])))
    outputs = (names[update], *[names[r] for r in state_roots])
    text = repr((SEMANTICS_VERSION, len(states), applications, outputs))
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return digest, len(states), tuple(applications), outputs
