"""The cheapest program in a graph of classes of equal values.

egglog extracts trees and pays for a value each time it is used. A program computes it once: in
``update = sin(x) * x`` the statements of ``x`` count once, and so do those that the update and a state share.
So extraction is done here, in two steps:

1. Bottom-up, each class takes the term that needs the cheapest *set* of statements (greedy DAG extraction).
   Among equals the first in a fixed order is taken, so that equal graphs give equal programs.
2. One class after the other takes another term where the program as a whole gets cheaper by it. Alone,
   ``a`` and ``b`` may be cheapest by ways of their own, and together by what they could share.

Costs count states first, then statements, then the functions' costs.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lion_search.dsl.clock import working_seconds
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.program import LEARNING_RATE, Argument, Program, Statement
from lion_search.simplify.equality.egraph import Classes, ClassId, Term

STATE, DROPPED, STATEMENT = 10**15, 10**12, 10**6
"""The cost of a state, of what should not be used, and of a statement; a function adds a thousand
times its own if it works on trees."""


@dataclass(frozen=True, slots=True)
class PricedTerm:
    """A way to compute a class, and what it costs with all it needs.

    Attributes:
        type: of the value so computed.
        cost: of all statements it takes.
        burden: how many statements stand behind what is multiplied with constants; fewer are more readable.
        rank: its place among ways that cost the same and have the same burden.
        term: the way; ``None`` for a constant.
        needs: the bits of all classes that take a statement.
        own: the cost of its own statement.
    """

    type: Type
    cost: int
    burden: int
    rank: tuple[object, ...]
    term: Term | None
    needs: int
    own: int


class Extraction:
    """Finds and keeps the choice for each class."""

    def __init__(self, classes: Classes, states: Sequence[str], deadline: float) -> None:
        self.classes = classes
        self.states = {name: i for i, name in enumerate(states)}
        self.deadline = deadline
        self.choices: dict[ClassId, PricedTerm] = {}
        self._bit = {name: 1 << i for i, name in enumerate(classes.terms)}
        self._weight: dict[int, int] = {}
        self._greedy()
        self._settle()

    def _greedy(self) -> None:
        """Improves the classes' choices until none can be."""
        parents: dict[ClassId, list[tuple[ClassId, Term]]] = defaultdict(list)
        for owner, value in self.classes.value.items():
            self.choices[owner] = PricedTerm(Type.SCALAR, 0, 0, (0, round_to_float32(value)), None, 0, 0)
        queue: list[tuple[ClassId, Term]] = []
        for owner, terms in self.classes.terms.items():
            for term in terms:
                for arg in set(term.args):
                    parents[arg].append((owner, term))
                if all(arg in self.choices for arg in term.args):
                    queue.append((owner, term))
        while queue:
            again: dict[ClassId, None] = {}
            for owner, term in queue:
                found = self._way(owner, term)
                known = self.choices.get(owner)
                if found and (known is None or (found.type, found.cost) < (known.type, known.cost)):
                    self._take(owner, found)
                    again[owner] = None
            queue = list(dict.fromkeys(use for owner in again for use in parents[owner]))

    def _settle(self) -> None:
        """Chooses again from the cheapest class up, by rank where costs are equal."""
        for owner in sorted(self.choices, key=lambda c: self.choices[c].cost):
            if self.choices[owner].term is None:
                continue
            cost = self.choices[owner].cost
            ways = [
                self._way(owner, term)
                for term in self.classes.terms[owner]
                if all(a in self.choices and self.choices[a].cost < cost for a in term.args)
            ]
            best = min(
                filter(None, ways), key=lambda way: (way.type, way.cost, way.burden, way.rank), default=None
            )
            if best is not None:
                self._take(owner, best)

    def _take(self, owner: ClassId, choice: PricedTerm) -> None:
        self.choices[owner] = choice
        self._weight[self._bit[owner]] = choice.own

    def _way(self, owner: ClassId, term: Term) -> PricedTerm | None:
        """What a term costs with its arguments' present choices."""
        if not term.args:
            return self._input(term.function)
        args = [self.choices.get(arg) for arg in term.args]
        known = [arg for arg in args if arg is not None]
        function, bit = FUNCTIONS[term.function], self._bit[owner]
        if len(known) < len(args) or any(a.needs & bit for a in known):
            return None
        if any(a.type > widest for a, widest in zip(known, function.parameters, strict=True)):
            return None
        type_ = max(a.type for a in known) if function.result is None else function.result
        works_on = max(type_, *(a.type for a in known))
        own = STATEMENT + (round(1000 * function.cost) if works_on is not Type.SCALAR else 0)
        own += DROPPED if term.dropped else 0
        largest, *others = sorted(known, key=lambda a: -a.cost)
        needs, cost = largest.needs | bit, largest.cost + own
        for other in others:
            cost += self._extra(other.needs & ~needs)
            needs |= other.needs
        return PricedTerm(type_, cost, _burden(term, known), _rank(term, known), term, needs, own)

    def _input(self, name: str) -> PricedTerm:
        # A state counts here as if reading it cost the whole state; a program's cost counts it once.
        cost = STATE if name in self.states else 0
        type_ = Type.SCALAR if name == LEARNING_RATE else Type.TREE
        # A state's name says nothing: equal programs must not differ by it.
        rank = (1, "a state" if name in self.states else name)
        return PricedTerm(type_, cost, 0, rank, Term(name), 0, cost)

    def _extra(self, needs: int) -> int:
        total = 0
        while needs:
            bit = needs & -needs
            total += self._weight[bit]
            needs ^= bit
        return total

    def cost(self, choices: Mapping[ClassId, PricedTerm]) -> int | None:
        """The cost of the whole program under some choices; ``None`` if a value would need itself."""
        total, done, open_ = 0, set[ClassId](), set[ClassId]()
        stack = [self.classes.roots[0]]
        while stack:
            owner = stack[-1]
            if owner in done:
                stack.pop()
                continue
            term = choices[owner].term
            missing = [a for a in term.args if a not in done] if term else []
            if missing and owner in open_:
                return None
            if missing:
                open_.add(owner)
                stack += missing
                continue
            done.add(owner)
            total += choices[owner].own
            if term and term.function in self.states and not term.args:
                # Its new value is needed too, but at the next step: that is no cycle.
                stack.insert(0, self.classes.roots[1 + self.states[term.function]])
        return total

    def improve(self) -> None:
        """Takes another way for a class where the whole program gets cheaper by it."""
        best = self.cost(self.choices)
        changed = best is not None
        while changed:
            changed = False
            for owner in self.reachable():
                for term in self.classes.terms[owner]:
                    if working_seconds() > self.deadline:
                        return
                    trial = self._trial(owner, term)
                    cost = None if trial is None else self.cost(trial)
                    if trial is not None and cost is not None and best is not None and cost < best:
                        self.choices, best, changed = trial, cost, True

    def _trial(self, owner: ClassId, term: Term) -> dict[ClassId, PricedTerm] | None:
        present = self.choices[owner]
        if term == present.term or present.term is None:
            return None
        way = self._way(owner, term)
        return {**self.choices, owner: way} if way is not None and way.type <= present.type else None

    def reachable(self) -> list[ClassId]:
        """The classes that the program computes, in the order in which they are needed."""
        order: dict[ClassId, None] = {}
        stack = [self.classes.roots[0]]
        while stack:
            owner = stack[-1]
            term = self.choices[owner].term
            missing = [a for a in reversed(term.args) if a not in order] if term else []
            if missing and owner not in order:
                stack += missing
                continue
            stack.pop()
            if owner in order:
                continue
            order[owner] = None
            if term and term.function in self.states and not term.args:
                stack.insert(0, self.classes.roots[1 + self.states[term.function]])
        return list(order)

    def program(self) -> Program:
        """The program of the present choices."""
        names: dict[ClassId, Argument] = {}
        statements: list[Statement] = []
        states: list[str] = []
        for owner in self.reachable():
            term = self.choices[owner].term
            if term is None:
                names[owner] = self.classes.value[owner]
            elif not term.args:
                names[owner] = term.function
                states += [term.function] if term.function in self.states else []
            else:
                names[owner] = f"x{len(statements)}"
                args = tuple(names[a] for a in term.args)
                statements.append(Statement(f"x{len(statements)}", term.function, args))
        states.sort(key=self.states.__getitem__)
        update, *new = self.classes.roots
        outputs = (names[update], *(names[new[self.states[s]]] for s in states))
        return Program(tuple(states), tuple(statements), outputs)


def extract(classes: Classes, states: Sequence[str], deadline: float) -> Program | None:
    """The cheapest program found; ``None`` if the choices have ended in a circle, which is rare.

    Args:
        classes: the roots are the update and the new value of each state.
        states: the states' names.
        deadline: when to stop improving, by :func:`working_seconds`.
    """
    extraction = Extraction(classes, states, deadline)
    extraction.improve()
    return None if extraction.cost(extraction.choices) is None else extraction.program()


def _burden(term: Term, args: Sequence[PricedTerm]) -> int:
    """A constant's factor should be simple: ``sign(...) + w * 0.1`` and not ``w + sign(...) * 10``."""
    own = 0
    if term.function == "multiply" and any(a.term is None for a in args):
        own = max(a.needs.bit_count() for a in args)
    # Bounded, since values that are used often would add up without end.
    return min(own + sum(a.burden for a in args), 10**9)


def _rank(term: Term, args: Sequence[PricedTerm]) -> tuple[object, ...]:
    """A fixed order of terms that cost the same: by function, then by arguments."""
    keys = [(a.cost, a.burden, _number(a.rank)) for a in args]
    if FUNCTIONS[term.function].commutative:
        keys[:2] = sorted(keys[:2], reverse=True)
    return (2, term.function, *keys)


def _number(rank: tuple[object, ...]) -> int:
    """A number for a rank, the same in every process."""
    return zlib.crc32(repr(rank).encode())
