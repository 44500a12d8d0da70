"""How much of a template a program resembles that it does not match, and what is different.

Statements of the template are paired with statements of the program: those that compute the same first, then
those that apply the same function to arguments of which some are alike. What finds no partner is the
difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, permutations

from lion_search.dsl.text import format_return, format_statement
from lion_search.simplify.equality.egraph import ClassId
from lion_search.simplify.recognition.matching import Matcher
from lion_search.simplify.recognition.program_graph import ProgramGraph
from lion_search.simplify.recognition.templates import Apply, Template

_LEAST = 0.5
"""How alike statements are that have nothing but their function in common: too little to be partners."""
_MOST_ORDERS = 24
"""How many ways to assign states to states are tried."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """What a template and a program have in common.

    Attributes:
        similarity: 1 if each has a partner in the other that computes the same, 0 if none has.
        missing: statements of the template that the program lacks.
        extra: statements of the program that the template lacks.
    """

    similarity: float
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def resemblance(template: Template, graph: ProgramGraph) -> Resemblance:
    """Compares a template and a program under the best of all assignments of states to states."""
    pairings = (
        _Pairing(template, graph, states) for states in islice(_orders(template, graph), _MOST_ORDERS)
    )
    best = max(pairings, key=lambda pairing: pairing.similarity)
    return Resemblance(best.similarity, *best.difference())


def _orders(template: Template, graph: ProgramGraph) -> Iterator[tuple[str, ...]]:
    """For each state of the template one of the program's, or none."""
    count = len(template.program.states)
    spare = ("",) * (count - len(graph.form.states))
    return permutations(graph.form.states + spare, count)


class _Pairing:
    """The partners under one assignment of states, and how alike they are."""

    def __init__(self, template: Template, graph: ProgramGraph, states: tuple[str, ...]) -> None:
        self._template, self._graph = template, graph
        self._matcher = Matcher(template, graph, states, lenient=False)
        self._known: dict[tuple[int, ClassId], float] = {}
        self._owner = dict(enumerate(graph.statements))
        self._lines = template.applications
        self._partner = self._paired()
        self._present = {i for i in self._lines.keys() - self._partner.keys() if self._is_somewhere(i)}
        self._explained = self._below_matches()
        self.similarity = self._similarity()

    def _like(self, node: int, owner: ClassId) -> float:
        """How much a class is like a node: differences count half as much with each function above them."""
        key = (node, owner)
        if key not in self._known:
            what = self._template.nodes[node]
            likeness = 1.0 if self._matcher.ways(node, owner) else 0.0
            if not likeness and isinstance(what, Apply):
                likeness = max(
                    (self._like_arguments(what, a) for a in self._arguments(what, owner)), default=0.0
                )
            self._known[key] = likeness
        return self._known[key]

    def _arguments(self, what: Apply, owner: ClassId) -> Iterator[tuple[ClassId, ...]]:
        for args in self._matcher.arguments(what.function, owner):
            yield args
            if what.function == "interp":
                yield (args[1], args[0], args[2])

    def _like_arguments(self, what: Apply, args: tuple[ClassId, ...]) -> float:
        total = sum(self._like(node, arg) for node, arg in zip(what.args, args, strict=True))
        return (1 + total / len(args)) / 2

    def _paired(self) -> dict[int, int]:
        """For lines of the template, their statements; the most alike are paired first."""
        found = [
            (-likeness, i, j)
            for i in self._lines
            for j, owner in self._owner.items()
            if (likeness := self._like(i, owner)) > _LEAST
        ]
        partner: dict[int, int] = {}
        taken: set[int] = set()
        for _, i, j in sorted(found):
            if i not in partner and j not in taken:
                partner[i] = j
                taken.add(j)
        return partner

    def _is_somewhere(self, line: int) -> bool:
        """Whether a line computes what would do, too, but is no statement of the program."""
        others = self._graph.classes.terms.keys() - set(self._graph.statements)
        return any(self._matcher.ways(line, owner) for owner in others)

    def _below_matches(self) -> set[int]:
        """Statements that belong to another way to compute what the template does."""
        index = {s.target: j for j, s in enumerate(self._graph.form.statements)}
        queue = [j for i, j in self._partner.items() if self._like(i, self._owner[j]) == 1.0]
        below: set[int] = set()
        while queue:
            statement = self._graph.form.statements[queue.pop()]
            inner = {index[a] for a in statement.args if isinstance(a, str) and a in index} - below
            below |= inner
            queue += inner
        below -= set(self._partner.values())
        return {j for j in below if not any(self._matcher.ways(i, self._owner[j]) for i in self._lines)}

    def _similarity(self) -> float:
        pairs = sum(self._like(i, self._owner[j]) for i, j in self._partner.items())
        roots = zip(self._template.outputs, self._matcher.roots, strict=True)
        outputs = sum(self._like(node, owner) for node, owner in roots)
        common = 2 * (pairs + outputs) + len(self._present) + len(self._explained)
        all_outputs = len(self._template.outputs) + len(self._graph.outputs)
        return common / (len(self._lines) + len(self._owner) + all_outputs)

    def difference(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The statements that only the template has, and those that only the program has."""
        missing = {i for i in self._lines if i not in self._partner and i not in self._present}
        extra = self._owner.keys() - set(self._partner.values()) - self._explained
        changed = {i for i in self._partner if self._is_changed(i, missing, extra)}
        program, form = self._template.program, self._graph.form
        lines = [self._lines[i].line for i in sorted(missing | changed)]
        statements = sorted(extra | {self._partner[i] for i in changed})
        if not lines and not statements:
            return (format_return(program),), (format_return(form),)
        return (
            tuple(format_statement(program.statements[n]) for n in lines),
            tuple(format_statement(form.statements[j]) for j in statements),
        )

    def _is_changed(self, line: int, missing: set[int], extra: set[int]) -> bool:
        """Whether partners differ and none of their arguments has been named as the reason."""
        partner = self._partner[line]
        if self._like(line, self._owner[partner]) == 1.0:
            return False
        args = [a for a in self._lines[line].args if a in self._lines]
        if any(a in missing for a in args) or any(self._is_unlike(a) for a in args):
            return False
        named = {self._graph.form.statements[j].target for j in extra}
        return named.isdisjoint(a for a in self._graph.form.statements[partner].args if isinstance(a, str))

    def _is_unlike(self, line: int) -> bool:
        partner = self._partner.get(line)
        return partner is not None and self._like(line, self._owner[partner]) < 1.0
