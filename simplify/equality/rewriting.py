"""Rewriting by equality saturation: an equal program that is as cheap as can be found.

The program's values become terms of an e-graph, the rules add equal forms until nothing changes or a limit is
met, and the cheapest program is read off; what came out goes in again until it does not get cheaper.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from threading import current_thread

from lion_search.dsl.clock import working_seconds
from lion_search.dsl.cost import static_cost
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.identities import REWRITES
from lion_search.dsl.equivalence.value_graph import Node, ValueGraph, fold, round_to_float32
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import Function, Type, own_functions
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import LEARNING_RATE, Argument, Program, Statement
from lion_search.simplify.equality.compile_rules import constructor, number
from lion_search.simplify.equality.egraph import Classes, Engine, RewriteLimits, default_engine
from lion_search.simplify.equality.extraction import extract
from lion_search.simplify.equality.rules import Kind

PROVED = (Kind.REAL_EXACT, Kind.FINITE_EXACT, Kind.FLOAT_EXACT)
"""The kinds that need no experiment."""
ALL_KINDS = tuple(Kind)

DEFAULT_LIMITS = RewriteLimits()
GROWING = (500, 2_000)
"""Small graphs find most of what there is to find in a fraction of the time; so they come first."""
MOST_ROUNDS = 6
LONG = 300
"""Programs of so many statements are not searched for states that are never negative."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What rewriting did.

    Attributes:
        before: the program it was given.
        after: an equal program (as far as ``kinds`` promise), canonical; ``before``'s own canonical form if
            nothing cheaper was found.
        raw: the same as ``normal`` with constants not yet rounded.
        normal: an equal program that costs no more and is the same for many equal programs, for comparison.
        kinds: the kinds of rules that were enabled.
        fired: the rules that matched somewhere, on the way to the result or not.
        met_limits: the limits that were met: ``nodes``, ``rounds``, ``seconds``.
        seconds: how long it took.
    """

    before: Program
    after: Program
    raw: Program
    normal: Program
    kinds: tuple[Kind, ...]
    fired: tuple[str, ...]
    met_limits: tuple[str, ...]
    seconds: float

    @property
    def found(self) -> bool:
        """Whether the result is cheaper than the canonical form of what was given."""
        return cost(self.after) < cost(canonicalise(self.before).program())

    def summary(self) -> str:
        """One line for people."""
        before, after = canonicalise(self.before).program(), self.after
        counts = (
            f"{len(before.statements)} -> {len(after.statements)} statements, "
            f"{len(before.states)} -> {len(after.states)} states"
        )
        limits = f"; met the limit of {', '.join(self.met_limits)}" if self.met_limits else ""
        return f"{counts if self.found else 'nothing found'}{limits}"


def cost(program: Program) -> tuple[int, int, float]:
    """What simplification makes smaller: states, then statements, then the time of a step."""
    return len(program.states), len(program.statements), static_cost(program)


class _Exact(ValueGraph):
    """A graph of values whose constants are not rounded to float32: rounding again and again adds up.

    Only what is a float32 but for errors of float64 becomes that, so that 3 * (1 / 3) is 1.
    """

    __slots__ = ()

    def constant(self, value: float) -> Node:
        rounded = round_to_float32(value)
        value = rounded if abs(rounded - value) <= 1e-12 * abs(value) else value
        node = self._table.get(value)
        return self._add(value, None, (), value) if node is None else node


def tidy(program: Program) -> Program:
    """The live statements in the normal form of the language's identities, with constants not rounded."""
    program = prune(program)
    graph = _Exact(REWRITES)
    roots = execute(program, graph, {name: graph.input(name) for name in program.inputs})
    names: dict[Node, Argument] = {}
    statements = []
    for node, function in enumerate(graph.function):
        value = graph.value[node]
        if function is not None:
            names[node] = f"x.{node}"
            args = tuple(names[arg] for arg in graph.args[node])
            statements.append(Statement(f"x.{node}", function, args))
        elif value is not None:
            names[node] = value
    return prune(Program(program.states, tuple(statements), tuple(names[root] for root in roots)))


class Terms:
    """A domain: values are the names of egglog terms; constants are folded."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[str, str] = {}
        self._constants: dict[str, float] = {}

    def _name(self, term: str) -> str:
        name = self._names.get(term)
        if name is None:
            name = self._names[term] = f"$v{len(self._names)}"
            self.lines.append(f"(let {name} {term})")
        return name

    def input(self, name: str) -> str:
        """The value of an input."""
        return self._name(f"(Input {json.dumps(name)})")

    def constant(self, value: float) -> str:
        name = self._name(number(value))
        self._constants[name] = value
        return name

    def apply(self, function: Function, args: Sequence[str], index: int = -1) -> str:
        constants = [self._constants[a] for a in args if a in self._constants]
        if len(constants) == len(args) and (function.elementwise or not args):
            folded = fold(function.name, tuple(constants))
            if folded is not None:
                return self.constant(folded)
        return self._name(f"({' '.join([constructor(function.name), *args])})")


def egraph(
    program: Program,
    kinds: Collection[Kind],
    limits: RewriteLimits,
    engine: Engine | None = None,
    nonnegative: Collection[str] = (),
    goals: Sequence[tuple[int, int]] = (),
) -> Classes:
    """The classes of equal values of a program; its outputs are the roots.

    Args:
        program: a checked program.
        kinds: the kinds of rules to use; none: facts only.
        limits: when to stop.
        engine: with which rules; all of them by default.
        nonnegative: states that are known to be never negative.
        goals: pairs of outputs; if there are any, it also stops once each pair is equal.
    """
    terms = Terms()
    roots = execute(program, terms, {name: terms.input(name) for name in program.inputs})
    lines = terms.lines + [f"(set (root {i}) {root})" for i, root in enumerate(roots)]
    for name in program.inputs:
        entry = terms.input(name)
        lines.append(f"(set (width {entry}) {int(Type.SCALAR if name == LEARNING_RATE else Type.TREE)})")
    lines += [f"(state {terms.input(s)})" for s in program.states]
    lines += [f"(set (low {terms.input(s)}) 0.0)" for s in sorted(nonnegative)]
    return (engine or default_engine(own_functions(), current_thread())).saturate(
        lines, len(roots), kinds, limits, goals
    )


def never_negative(program: Program) -> frozenset[str]:
    """States that never are negative: assumed of all, then of those for which it follows, until it holds."""
    assumed = frozenset(program.states)
    while assumed:
        classes = egraph(program, (), RewriteLimits(rounds=4), nonnegative=assumed)
        low = {s: classes.low.get(r, -1.0) for s, r in zip(program.states, classes.roots[1:], strict=True)}
        still = frozenset(s for s in assumed if low[s] >= 0)
        if still == assumed:
            break
        assumed = still
    return assumed


def rewrite(
    program: Program,
    kinds: Collection[Kind] = PROVED,
    limits: RewriteLimits = DEFAULT_LIMITS,
    engine: Engine | None = None,
) -> Rewriting:
    """Rewrites a checked program to the cheapest equal one that is found.

    Args:
        program: any checked program.
        kinds: which rules to use.
        limits: when to stop; ``seconds`` is for all.
        engine: with which rules; all of them by default.
    """
    started = working_seconds()
    search = _Search(program, tuple(kinds), limits, engine, started + limits.seconds)
    for nodes in (*(n for n in GROWING if n < limits.nodes), limits.nodes):
        search.to_fixed_point(nodes)
    start, form = canonicalise(program).program(), search.form
    return Rewriting(
        before=program,
        after=form if cost(form) < cost(start) else start,
        raw=search.current,
        normal=form,
        kinds=search.kinds,
        fired=tuple(sorted(search.fired)),
        met_limits=tuple(sorted(search.met)),
        seconds=working_seconds() - started,
    )


class _Search:
    """The best program so far, and what was met on the way."""

    def __init__(
        self,
        program: Program,
        kinds: tuple[Kind, ...],
        limits: RewriteLimits,
        engine: Engine | None,
        deadline: float,
    ) -> None:
        self.current = tidy(program)
        self.form = canonicalise(program).program()
        self.kinds = kinds
        self.fired: set[str] = set()
        self.met: set[str] = set()
        self._limits, self._engine, self._deadline = limits, engine, deadline

    def to_fixed_point(self, nodes: int) -> None:
        """Rewrites until the program stays as it is."""
        for _ in range(MOST_ROUNDS):
            left = self._deadline - working_seconds()
            if left <= 0:
                self.met.add("seconds")
                return
            limits = replace(self._limits, nodes=nodes, seconds=left)
            if not self._once(limits):
                return

    def _once(self, limits: RewriteLimits) -> bool:
        """Whether the program has changed to one that costs no more."""
        invariants = never_negative(self.current) if len(self.current.statements) < LONG else ()
        classes = egraph(self.current, self.kinds, limits, self._engine, invariants)
        self.fired.update(classes.fired)
        if classes.met_limit != "nodes" or limits.nodes == self._limits.nodes:
            self.met.update({classes.met_limit} - {""})
        found = extract(classes, self.current.states, self._deadline)
        if found is None:
            return False
        new = canonicalise(found).program()
        if cost(new) > cost(self.form) or new == self.form:
            return False
        self.form, self.current = new, tidy(found)
        return True
