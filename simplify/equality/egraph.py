"""Equality saturation with egglog: rules in, a graph of classes of equal values out.

An e-graph holds values in classes of equals: told that ``x + x`` is ``x * 2``, it puts both into one class,
and whatever is made of the one is then made of the other. Each rule becomes one egglog rule, each function
of the language one constructor. Beside the classes stand tables: ``value``, the constant that a class
equals; ``width``, its narrowest type (0 scalar, 1 per array, 2 tree); ``state``, whether it is a state as
it was read; ``low``, ``high`` and ``positive``, the facts. To declare all this takes a second, so it is
done once in a process; ``push`` and ``pop`` give each program a fresh graph.

Constants are float64 here, and those that agree in 42 bits are one class, so that two ways to compute a
constant give one constant; a program's are rounded to float32 when it is canonicalised.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from typing import Any

from lion_search.dsl.clock import working_seconds
from lion_search.dsl.functions import Function
from lion_search.simplify.equality.compile_rules import PREFIX, declarations
from lion_search.simplify.equality.rules import Fact, Kind, Rule, Use, known_facts, known_rules

ClassId = str
"""The name of a class of equal values."""


@dataclass(frozen=True, slots=True)
class RewriteLimits:
    """When saturation stops at the latest.

    Attributes:
        nodes: how many applications of functions the graph may hold, about: none is begun beyond a quarter.
        rounds: how many rounds.
        seconds: how long all rounds may take together; checked after each step.
    """

    nodes: int = 8_000
    rounds: int = 12
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Term:
    """One way to compute a class.

    Attributes:
        function: a function's name, or an input's.
        args: the classes of the arguments; none for an input.
        dropped: whether a rule has found something better, also on a smaller domain; the last resort.
    """

    function: str
    args: tuple[ClassId, ...] = ()
    dropped: bool = False


@dataclass(slots=True)
class Classes:
    """Classes of equal values.

    Attributes:
        roots: the class of each value that was asked for.
        terms: for each class, the ways to compute it; a constant's class may have none.
        value: classes that equal a constant.
        low: known lower bounds.
        fired: the names of the rules that have matched.
        met_limit: ``nodes``, ``rounds`` or ``seconds`` if saturation was cut short, else empty.
    """

    roots: list[ClassId] = field(default_factory=list)
    terms: dict[ClassId, list[Term]] = field(default_factory=lambda: defaultdict(list))
    value: dict[ClassId, float] = field(default_factory=dict)
    low: dict[ClassId, float] = field(default_factory=dict)
    fired: tuple[str, ...] = ()
    met_limit: str = ""


class Engine:
    """An egglog graph with a set of rules declared: by default all that hold for the functions there are."""

    def __init__(self, rules: Sequence[Rule] | None = None, facts: Sequence[Fact] | None = None) -> None:
        from egglog.bindings import EGraph  # it takes half a second to import

        rules = known_rules() if rules is None else rules
        facts = known_facts() if facts is None else facts
        self._egraph = EGraph()
        self._rules = frozenset(rule.name for rule in rules)
        self._run(declarations(rules, facts))

    def saturate(
        self,
        lines: Sequence[str],
        num_roots: int,
        kinds: Collection[Kind],
        limits: RewriteLimits,
        goals: Sequence[tuple[int, int]] = (),
    ) -> Classes:
        """Adds a program, applies the rules of some kinds until nothing changes or a limit is met.

        Args:
            lines: egglog commands that set ``(root i)`` for each i below ``num_roots``.
            num_roots: how many values are asked for.
            kinds: the kinds of rules to apply; none leaves the facts only.
            limits: when to stop.
            goals: pairs of roots; if there are any, it also stops once each pair is equal.
        """
        check = f"(check {' '.join(f'(= (root {i}) (root {j}))' for i, j in goals)})" if goals else ""
        rulesets = [kind.name for kind in Kind if kind in kinds]
        with self._scratch():
            self._run("\n".join(lines))
            rounds = _Rounds(self._run, rulesets, limits, check)
            rounds.run()
            classes = _read(json.loads(self._egraph.serialize([]).to_json()), num_roots)
        classes.fired = tuple(sorted(rounds.fired & self._rules))
        classes.met_limit = rounds.met_limit
        return classes

    @contextmanager
    def _scratch(self) -> Iterator[None]:
        self._run("(push)")
        try:
            yield
        finally:
            self._run("(pop)")

    def _run(self, text: str) -> list[Any]:
        """Runs commands, one a line: each part of a parsed text holds a copy of the whole text."""
        commands = [command for line in text.splitlines() for command in self._egraph.parse_program(line)]
        return self._egraph.run_program(*commands)


class _Rounds:
    """One saturation: what has fired so far, and the limit that ended it, if one did."""

    def __init__(
        self, run: Callable[[str], list[Any]], kinds: Sequence[str], limits: RewriteLimits, goal: str
    ) -> None:
        self.fired: set[str] = set()
        self.met_limit = ""
        self._run_text, self._kinds, self._limits, self._goal = run, kinds, limits, goal
        self._deadline = working_seconds() + limits.seconds
        self._is_over = False

    def run(self) -> None:
        """Reduces and explores in turn until nothing changes, then finishes."""
        for _ in range(self._limits.rounds + 1):
            updated = self._use(Use.REDUCE)
            updated |= self._use(Use.EXPLORE)
            if self._is_over or not updated:
                break
        else:
            self.met_limit = "rounds" if self._kinds else ""
        self._use(Use.FINISH)
        self._use(Use.REDUCE)

    def _use(self, use: Use) -> bool:
        """Runs the rules of one use, a kind at a time, unless all is over; whether anything changed."""
        updated = False
        for schedule in ("(repeat 3 (run facts))", *(f"(run {use}_{kind})" for kind in self._kinds)):
            if self._is_over:
                break
            updated |= self._step(schedule)
        return updated

    def _step(self, schedule: str) -> bool:
        ran, sizes = self._run_text(f"(run-schedule {schedule})\n(print-size)")
        matches = ran.report.num_matches_per_rule
        self.fired.update(name for name, count in matches.items() if count)
        size = sum(n for name, n in sizes.sizes if name.startswith(PREFIX))
        if self._goal and self._holds():
            self._is_over = True
        # One step may make ten nodes of one, and cannot be interrupted.
        elif size > self._limits.nodes // 4:
            self._is_over, self.met_limit = True, "nodes"
        elif working_seconds() > self._deadline:
            self._is_over, self.met_limit = True, "seconds"
        return bool(ran.report.updated)

    def _holds(self) -> bool:
        from egglog.bindings import EggSmolError

        try:
            self._run_text(self._goal)
        except EggSmolError:
            return False
        return True


@cache
def default_engine(own: tuple[Function, ...] = (), thread: Thread | None = None) -> Engine:
    """The engine with all rules.

    There is one for each state of the table of functions, which users may add to, and for each thread: an
    e-graph of egglog's can be used by the thread that made it only.
    """
    del own, thread
    return Engine()


def _read(serialized: dict[str, Any], num_roots: int) -> Classes:
    """Classes from egglog's JSON."""
    nodes = serialized["nodes"]
    literal = {n["eclass"]: n["op"] for n in nodes.values() if not n["children"]}
    classes = Classes(roots=[""] * num_roots)
    for node in nodes.values():
        op, own = node["op"], node["eclass"]
        args = tuple([nodes[child]["eclass"] for child in node["children"]])
        if op == "value":
            classes.value[args[0]] = float(literal[own])
        elif op == "low":
            classes.low[args[0]] = float(literal[own])
        elif op == "root":
            classes.roots[int(literal[args[0]])] = own
        elif op == "Input":
            classes.terms[own].append(Term(json.loads(literal[args[0]])))
        elif op.startswith(PREFIX):
            classes.terms[own].append(Term(op.removeprefix(PREFIX), args, node["subsumed"]))
    return classes
