"""A program as a template: what it computes but for its constants.

The statements of a template are applications of functions; its constants are holes, which a match fills with
those of another program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.value_graph import fold
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import Function
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import LEARNING_RATE, WEIGHTS, Program

WEIGHT_DECAY, RATE, BETA = "weight decay", "learning rate", "b"
"""What constants are: the weights' factor, the schedule's, shares that averages keep (numbered)."""
_FIXED = 1.2e-7
"""Averages' weights are this precise: 1 - 0.999 is computed in float32."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of the template."""

    name: str


@dataclass(frozen=True, slots=True)
class Hole:
    """A constant of the template.

    Attributes:
        line: the statement it stands in.
        position: which argument of it.
        value: what stands there.
        function: what the statement applies.
    """

    line: int
    position: int
    value: float
    function: str

    @property
    def degenerate(self) -> tuple[float, ...]:
        """Values with which the statement does nothing."""
        if self.function == "multiply":
            return (1.0,)
        return (0.0, 1.0) if self.function == "interp" and self.position == 2 else ()

    def agrees(self, value: float) -> bool:
        """Whether a value is the template's, as far as float32 tells."""
        error = 1e-6 * abs(self.value) + (_FIXED if self.function == "interp" else 0.0)
        return abs(value - self.value) <= error


@dataclass(frozen=True, slots=True)
class Apply:
    """A statement of the template; the arguments are numbers of nodes."""

    function: str
    args: tuple[int, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Template:
    """A program as a template.

    Attributes:
        program: the program.
        nodes: its inputs, constants and statements; arguments come before what uses them.
        outputs: the nodes of the update and of the new value of each state.
    """

    program: Program
    nodes: tuple[Input | Hole | Apply, ...]
    outputs: tuple[int, ...]

    @property
    def holes(self) -> dict[int, Hole]:
        """The constants."""
        return {i: node for i, node in enumerate(self.nodes) if isinstance(node, Hole)}

    @property
    def roles(self) -> dict[int, str]:
        """What each constant is: ``weight decay``, ``learning rate``, ``b1``, ``b2``, ... or its function."""
        found: dict[int, str] = {}
        for i, what in self.applications.items():
            others = {node.name for a in what.args if isinstance(node := self.nodes[a], Input)}
            for hole in (a for a in what.args if isinstance(self.nodes[a], Hole)):
                number = sum(role.startswith(BETA) for role in found.values()) + 1
                found[hole] = self._role(what, others, is_last=i == self.outputs[0]) or f"{BETA}{number}"
        return found

    def _role(self, what: Apply, others: set[str], *, is_last: bool) -> str:
        """The role of a constant beside some inputs; empty for the share of an average that is kept."""
        if what.function == "interp" or (what.function == "multiply" and others & {*self.program.states}):
            return ""
        if what.function == "multiply" and WEIGHTS in others:
            return WEIGHT_DECAY
        is_rate = what.function == "multiply" and (LEARNING_RATE in others or is_last)
        return RATE if is_rate else what.function

    def share_kept(self, hole: int, value: float) -> float:
        """The weight of an average's older part, where the constant is that of the newer."""
        node = self.nodes[hole]
        assert isinstance(node, Hole)
        (what,) = (a for a in self.applications.values() if a.line == node.line and hole in a.args)
        first = self.nodes[what.args[0]]
        is_old = what.function == "interp" and isinstance(first, Input) and first.name in self.program.states
        return 1.0 - value if is_old else value

    @property
    def applications(self) -> dict[int, Apply]:
        """The statements, in order."""
        return {i: node for i, node in enumerate(self.nodes) if isinstance(node, Apply)}

    def filled(self, values: Mapping[int, float]) -> Program:
        """The program with other constants; statements that only compute a constant are left out."""
        statements = dict(enumerate(self.program.statements))
        for i, hole in self.holes.items():
            statement = statements[hole.line]
            args = list(statement.args)
            args[hole.position] = values.get(i, hole.value)
            statements[hole.line] = replace(statement, args=tuple(args))
        body = tuple(statements[node.line] for node in self.applications.values())
        return replace(self.program, statements=body)


class _Nodes:
    """A domain: values are numbers of nodes, or constants."""

    def __init__(self) -> None:
        self.nodes: list[Input | Hole | Apply] = []

    def add(self, node: Input | Hole | Apply) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def constant(self, value: float) -> float | int:
        return float(value)

    def apply(self, function: Function, args: Sequence[float | int], index: int = -1) -> float | int:
        constants = tuple(a for a in args if isinstance(a, float))
        if len(constants) == len(args) and (function.elementwise or not args):
            folded = fold(function.name, constants)
            if folded is not None:
                return folded
        nodes = [
            self.add(Hole(index, i, a, function.name)) if isinstance(a, float) else a
            for i, a in enumerate(args)
        ]
        return self.add(Apply(function.name, tuple(nodes), index))


def make_template(program: Program) -> Template:
    """The template of a checked program's live part; its outputs are no constants."""
    program = prune(program)
    domain = _Nodes()
    inputs: dict[str, float | int] = {name: domain.add(Input(name)) for name in program.inputs}
    outputs = execute(program, domain, inputs)
    return Template(program, tuple(domain.nodes), tuple(o for o in outputs if isinstance(o, int)))
