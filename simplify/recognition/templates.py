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
from lion_search.dsl.program import Program

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
