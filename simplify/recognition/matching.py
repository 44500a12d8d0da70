"""E-matching: a template is looked for in a program's graph of equal values.

The template ``sign(interp(g, m, ?)) * ?`` is found in a program if the class of the update holds a
product of a constant and a class that holds a sign, and so on down to the inputs. Inputs match
themselves, states those of the program in some order, and each hole (``?``) any constant. A value that
the template uses twice has to be one class. Each match is a proof: with the constants found, the template
computes what the program does.

With *edits* a match may leave some values aside: where the template has ``g``, the program may have
``g + w * 0.1``; where it has ``sign(x)``, another function of ``x``. Then the template with those values put
in computes what the program does. A node's number ``n`` stands for what the template uses there, edited or
not, and ``~n`` for the template's own value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.functions import FUNCTIONS
from lion_search.simplify.equality.egraph import ClassId
from lion_search.simplify.recognition.expressions import Expressions
from lion_search.simplify.recognition.program_graph import ProgramGraph
from lion_search.simplify.recognition.templates import Apply, Hole, Input, Template

MOST_STEPS = 4_000
"""How many classes are tried for a template's nodes before a search is cut short."""


_Goal = tuple[int, ClassId]


@dataclass(frozen=True, slots=True)
class Edit:
    """A value of the program that stands in the place of a template's.

    Attributes:
        node: the template's.
        owner: the class that stands there.
        inner: inside of it, the class that the template's value is; its argument's if ``replaces``.
        replaces: whether the template's function is replaced, and not only something done to its value.
    """

    node: int
    owner: ClassId
    inner: ClassId
    replaces: bool


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a node may be a class: what its arguments must be, constants, and what is edited."""

    goals: tuple[_Goal, ...] = ()
    values: tuple[tuple[int, float], ...] = ()
    edit: Edit | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known on the way to a match; as there, and the classes of the template's own values."""

    bound: Mapping[int, ClassId]
    values: Mapping[int, float]
    edits: frozenset[Edit] = frozenset()
    uses: frozenset[_Goal] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """Where a template was found: its constants' values, and what stands in the place of its own.

    Attributes:
        template: what was found.
        values: of its constants.
        edits: values that stand in the place of its own.
        uses: pairs of nodes and the classes that stand there.
    """

    template: Template
    values: Mapping[int, float]
    edits: frozenset[Edit] = frozenset()
    uses: frozenset[_Goal] = frozenset()

    @property
    def num_degenerate(self) -> int:
        """How many statements of the template do nothing with these constants, but do in the template."""
        holes = self.template.holes
        return sum(v in holes[i].degenerate and not holes[i].agrees(v) for i, v in self.values.items())

    @property
    def num_other(self) -> int:
        """How many constants are not the template's."""
        return sum(not hole.agrees(self.values[i]) for i, hole in self.template.holes.items())

    @property
    def distance(self) -> float:
        """How far the constants are from the template's: each at most 1."""
        pairs = [(hole.value, self.values[i]) for i, hole in self.template.holes.items()]
        return sum(abs(a - b) / (abs(a) + abs(b)) for a, b in pairs if a != b)

    @property
    def rank(self) -> tuple[bool, int, int, float]:
        """Better matches come first."""
        return self.num_other > 0, self.num_degenerate, self.num_other, self.distance

    def refilled(self) -> Template:
        """The template with the constants that were found for its own."""
        nodes = tuple(
            replace(node, value=self.values[i]) if isinstance(node, Hole) else node
            for i, node in enumerate(self.template.nodes)
        )
        return Template(self.template.filled(self.values), nodes, self.template.outputs)


class Matcher:
    """Looks for one template in one graph.

    Args:
        template: what to look for.
        graph: where.
        states: for each of the template's states, in order, the graph's; one that has none matches nothing.
        lenient: whether statements may be missing that do nothing for some constant: a product with 1, an
            average with an input whose weight is 0 or 1.
        edits: how many values may stand in the place of the template's.
        expressions: of the graph; needed for edits.
    """

    def __init__(
        self, template: Template, graph: ProgramGraph, states: Sequence[str], *, lenient: bool,
        edits: int = 0, expressions: Expressions | None = None,
    ) -> None:  # fmt: skip
        self.is_cut_short = False
        self._edits, self._expressions = edits, expressions
        self._template, self._graph, self._lenient = template, graph, lenient
        own = dict(zip(template.program.states, states, strict=False))
        new = dict(zip(graph.form.states, graph.outputs[1:], strict=True))
        self._input = {
            name: graph.inputs.get(own.get(name, "") if name in template.program.states else name, "")
            for name in template.program.inputs
        }
        self.roots = (graph.outputs[0], *(new.get(own.get(s, ""), "") for s in template.program.states))
        self._known_ways: dict[_Goal, tuple[_Way, ...]] = {}
        self._known_costs: dict[_Goal, int] = {}
        self._steps = 0

    def best(self) -> Match | None:
        """The best of all matches of the whole program, or of those that are found within the limit."""
        goals = tuple(zip(self._template.outputs, self.roots, strict=True))
        if any(self._cost(goal) > self._edits for goal in goals):
            return None
        best: Match | None = None
        for found in self._solve(goals, _Found({}, {})):
            match = Match(self._template, found.values, found.edits, found.uses)
            if best is None or self.rank(match) < self.rank(best):
                best = match
            if not (best.num_other or best.edits):
                break
        return best

    def rank(self, match: Match) -> tuple[object, ...]:
        """Better matches come first: with fewer and shorter edits."""
        if self._expressions is None:
            return match.rank
        size = self._expressions.size
        added = sum(size(edit.owner) - size(edit.inner) for edit in match.edits)
        return len(match.edits), match.num_degenerate, added, match.rank

    def _solve(self, goals: tuple[_Goal, ...], found: _Found) -> Iterator[_Found]:
        """Each match of all goals."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            self.is_cut_short = True
            return
        if not goals:
            yield found
            return
        (node, owner), *rest = goals
        own = node if node < 0 or self._edits else ~node
        if own in found.bound:
            if found.bound[own] == owner:
                yield from self._solve(tuple(rest), found)
            return
        for way in self.ways(node, owner):
            edits = found.edits | ({way.edit} if way.edit else set())
            if len(edits) <= self._edits:
                bound = {**found.bound, own: owner} if own < 0 else found.bound
                uses = found.uses if own < 0 else found.uses | {(node, owner)}
                now = _Found(bound, {**found.values, **dict(way.values)}, edits, uses)
                yield from self._solve((*way.goals, *rest), now)

    def ways(self, node: int, owner: ClassId) -> tuple[_Way, ...]:
        """In which ways a node may be a class, each argument for itself; none: it is not."""
        goal = (node, owner)
        if goal not in self._known_ways:
            found = dict.fromkeys(self._all_ways(node, owner))
            costs = {way: self._cost_of(way) for way in found}
            possible = [way for way, cost in costs.items() if cost <= self._edits]
            self._known_ways[goal] = tuple(sorted(possible, key=costs.__getitem__))
            self._known_costs[goal] = min(costs.values(), default=self._edits + 1)
        return self._known_ways[goal]

    def _cost(self, goal: _Goal) -> int:
        """The fewest edits with which a node is a class; those of its arguments may be the same ones."""
        self.ways(*goal)
        return self._known_costs[goal]

    def _cost_of(self, way: _Way) -> int:
        """The same of one way; as soon as it is more than allowed, how much does not matter."""
        own, most = int(way.edit is not None), 0
        for goal in way.goals:
            most = max(most, self._cost(goal))
            if own + most > self._edits:
                return self._edits + 1
        return own + most

    def _all_ways(self, node: int, owner: ClassId) -> Iterator[_Way]:
        if node < 0 or not self._edits:
            yield from self._own_ways(node if node >= 0 else ~node, owner)
            return
        yield _Way(((~node, owner),))
        what = self._template.nodes[node]
        if isinstance(what, Hole) or self._expressions is None or owner in self._graph.classes.value:
            return
        inside = self._expressions.inside(owner)
        for inner in inside:
            yield _Way(((~node, inner),), edit=Edit(node, owner, inner, replaces=False))
        if isinstance(what, Apply) and len(what.args) == 1:
            for inner in (c for c in inside if self._expressions.is_function(owner, c)):
                yield _Way(((what.args[0], inner),), edit=Edit(node, owner, inner, replaces=True))

    def _own_ways(self, node: int, owner: ClassId) -> Iterator[_Way]:
        what, value = self._template.nodes[node], self._graph.classes.value.get(owner)
        if isinstance(what, Hole):
            if value is not None:
                yield _Way(values=((node, value),))
        elif isinstance(what, Input):
            if self._input[what.name] == owner:
                yield _Way()
        elif value is None:  # a statement of an entry is no constant
            for args in self.arguments(what.function, owner):
                yield from self._of_arguments(what, args)
            if self._lenient:
                yield from self._without(what, owner)

    def arguments(self, function: str, owner: ClassId) -> Iterator[tuple[ClassId, ...]]:
        """The arguments with which a function gives a class."""
        for term in self._graph.classes.terms.get(owner, ()):
            if term.function == function and term.args:
                yield term.args
                if FUNCTIONS[function].commutative:
                    yield (term.args[1], term.args[0], *term.args[2:])

    def _of_arguments(self, what: Apply, args: tuple[ClassId, ...]) -> Iterator[_Way]:
        """The arguments in order; an average also with its weight taken from the other side."""
        values = [self._graph.classes.value.get(a) for a in args]
        factors = [i for i in what.args if isinstance(self._template.nodes[i], Hole)]
        if what.function == "multiply" and factors and 0.0 in values:
            return
        yield _Way(tuple(zip(what.args, args, strict=True))[::-1])  # constants fail fast, and stand last
        if what.function == "interp" and what.args[2] in factors and values[2] is not None:
            first, second, weight = what.args
            yield _Way(((first, args[1]), (second, args[0])), ((weight, 1.0 - values[2]),))

    def _without(self, what: Apply, owner: ClassId) -> Iterator[_Way]:
        """A statement that is missing because it would do nothing."""
        nodes = self._template.nodes
        if what.function == "multiply":
            for part, factor in (what.args, what.args[::-1]):
                if isinstance(nodes[factor], Hole):
                    yield _Way(((part, owner),), ((factor, 1.0),))
        elif what.function == "interp" and isinstance(nodes[what.args[2]], Hole) and not self._edits:
            first, second, weight = what.args
            for part, other, value in ((first, second, 0.0), (second, first, 1.0)):
                if isinstance(nodes[other], Input):
                    yield _Way(((part, owner),), ((weight, value),))
