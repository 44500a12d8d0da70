"""The constants of a program as hyper-parameters, named by what they do.

``b1``, ``b2``, ... are the shares that averages keep, ``weight_decay`` the factor of what is made of the
weights alone and added, ``max_norm`` a limit of clipping, ``eps`` what protects a division, ``learning_rate``
the factor of the schedule or, without one, of the whole update. All others are called after their statement:
``scale``, ``shift``, ``exponent``.

Where the update is proportional to the schedule's value, both are one: ``learning_rate`` is a number or a
schedule, as everywhere. Else the program looks at the schedule itself, and they are two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from lion_search.dsl.dataflow import Dataflow, dataflow, state_chain
from lion_search.dsl.equivalence.value_graph import fold, round_to_float32
from lion_search.dsl.export.learning_rate import NUMBER, RATE, RATE_MARK, find_rate
from lion_search.dsl.functions import EPSILON, FUNCTIONS, Type
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import (
    LEARNING_RATE,
    UPDATE,
    Argument,
    Program,
    Statement,
    args_with,
    inlined,
)
from lion_search.dsl.types import statement_types

SCHEDULE, WEIGHT_DECAY, EPS, SHARE = "schedule", "weight_decay", "eps", "b"
"""Names that exports treat in a way of their own; the schedule is an input beside hyper-parameters."""
_VALUE = "%"
"""Before the numbers of values while a program is analysed: no variable is called so."""
_SMALL = 1e-3
"""What is added and not larger than this protects a root or a division."""
_OTHER_NAMES = MappingProxyType({WEIGHT_DECAY: "decay"})
"""What a variable is called whose name a hyper-parameter has."""
_NAMES: Mapping[tuple[str, int], str] = MappingProxyType({
    ("clip", 1): "max_norm", ("power", 0): "base", ("power", 1): "exponent", ("maximum", 0): "lower",
    ("maximum", 1): "lower", ("minimum", 0): "upper", ("minimum", 1): "upper", ("divide", 0): "numerator",
    ("divide", 1): "divisor", ("multiply", 0): "scale", ("multiply", 1): "scale", ("add", 0): "shift",
    ("add", 1): "shift", ("subtract", 0): "shift", ("subtract", 1): "shift", ("interp", 2): "mix",
})  # fmt: skip
"""Constants without a role, by function and position."""


@dataclass(frozen=True, slots=True)
class Line:
    """A statement and the types of its arguments and result; arguments may be names of hyper-parameters."""

    statement: Statement
    argument_types: tuple[Type, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class Rule:
    """A program whose constants have names: what exports write.

    Attributes:
        program: what it was made of, without what is redundant.
        states: the names of its states.
        lines: its statements.
        outputs: what they return, the update first.
        output_types: their types.
        defaults: the hyper-parameters and what was found for them, the learning rate first.
        has_schedule: whether it looks at the schedule's value, which then is an input beside them.
        reads_schedule: whether the schedule changes anything: else the learning rate was constant when it was
            found.
    """

    program: Program
    states: tuple[str, ...]
    lines: tuple[Line, ...]
    outputs: tuple[Argument, ...]
    output_types: tuple[Type, ...]
    defaults: Mapping[str, float]
    has_schedule: bool
    reads_schedule: bool

    @property
    def numbers(self) -> tuple[str, ...]:
        """The inputs that are single numbers, in order."""
        first, *others = self.defaults
        return (first, SCHEDULE, *others) if self.has_schedule else (first, *others)

    @property
    def has_decay(self) -> bool:
        """Whether a hyper-parameter is the weight decay."""
        return WEIGHT_DECAY in self.defaults

    @property
    def looks_across(self) -> bool:
        """Whether an array's update depends on other arrays."""
        return any(FUNCTIONS[line.statement.function].looks_across for line in self.lines)


def make_rule(program: Program) -> Rule:
    """Names the constants of a checked program; what is redundant is left out."""
    program = prune(program)
    folded = _folded(program)
    body, outputs = inlined(folded, _VALUE, {})
    flow = dataflow(replace(folded, statements=tuple(body), outputs=outputs))
    targets = {f"{_VALUE}{i}": s.target for i, s in enumerate(folded.statements)}
    return _Maker(flow).rule(program, targets)


def _folded(program: Program) -> Program:
    """The program with what is computed of constants alone as constants."""
    constants: dict[str, Argument] = {}
    kept = []
    for statement in program.statements:
        args = args_with(statement.args, constants)
        numbers = tuple(a for a in args if isinstance(a, float))
        is_constant = FUNCTIONS[statement.function].elementwise and 0 < len(args) == len(numbers)
        value = fold(statement.function, numbers) if is_constant else None
        if value is not None:
            constants[statement.target] = round_to_float32(value)
            continue
        constants.pop(statement.target, None)
        kept.append(replace(statement, args=args))
    return replace(program, statements=tuple(kept), outputs=args_with(program.outputs, constants))


class _Maker:
    """Gives one program's constants names."""

    def __init__(self, flow: Dataflow) -> None:
        self._flow = flow
        self._chains = {v for s in flow.program.states for v in state_chain(flow, s)}
        self._found: dict[str, float] = {}
        self._rate = find_rate(flow)
        self._count: Counter[str] = Counter({EPS: any(_is_protected(s) for s in flow.program.statements)})

    def rule(self, program: Program, targets: dict[str, str]) -> Rule:
        """The rule of a program, of whose values the targets are the names."""
        flow, rate, lines = self._flow, self._rate, self._lines()
        outputs = args_with(flow.program.outputs, rate.values)
        types = [flow.types.get(o, Type.SCALAR) for o in outputs]
        if rate.is_missing:
            last = Statement(f"{_VALUE}{len(targets)}", "multiply", (outputs[0], RATE_MARK))
            lines.append(Line(last, (types[0], Type.SCALAR), types[0]))
            outputs = (last.target, *outputs[1:])
            targets[last.target] = UPDATE if UPDATE not in program.outputs[1:] else f"new_{UPDATE}"
        defaults = {RATE: rate.peak, **self._found}
        names = _shown(program.states, targets, {*defaults, SCHEDULE})
        names |= {NUMBER + name: name for name in defaults}
        return Rule(
            program=program,
            states=tuple(names[s] for s in program.states),
            lines=tuple(replace(line, statement=_renamed(line.statement, names)) for line in lines),
            outputs=args_with(outputs, names),
            output_types=tuple(types),
            defaults=defaults,
            has_schedule=rate.has_schedule,
            reads_schedule=bool(flow.readers[LEARNING_RATE]) or LEARNING_RATE in flow.program.outputs,
        )

    def _lines(self) -> list[Line]:
        """The statements with names for constants, without those that are not needed any more."""
        rate, found = self._rate, []
        program = self._flow.program
        for statement, (arguments, result) in zip(program.statements, statement_types(program), strict=True):
            if statement.target in rate.dropped:
                continue
            if _is_protected(statement):
                self._found.setdefault(EPS, EPSILON)
            turned = self._turned(replace(statement, args=args_with(statement.args, rate.values)))
            args = tuple(self._named(turned, position) for position in range(len(turned.args)))
            found.append(Line(replace(turned, args=args), arguments, result))
        return found

    def _named(self, statement: Statement, position: int) -> Argument:
        """An argument; a constant by its name."""
        value = statement.args[position]
        if isinstance(value, str):
            return value
        if (statement.target, position) == self._rate.constant:
            return RATE_MARK
        role = self._role(statement, position, value)
        self._count[role] += 1
        number = self._count[role]
        name = f"{role}{number}" if number > 1 or role == SHARE else role
        self._found[name] = value
        return NUMBER + name

    def _role(self, statement: Statement, position: int, value: float) -> str:
        function, target = statement.function, statement.target
        has_memory = any(self._flow.has_memory(a) for a in statement.args)
        if function == "interp" and position == 2 and has_memory:
            return SHARE
        if function == "multiply" and target in self._chains and has_memory:
            return SHARE
        if function == "multiply" and self._is_decay(target):
            return WEIGHT_DECAY
        if function == "add" and 0 < value <= _SMALL:
            return EPS
        return _NAMES.get((function, position), "constant")

    def _is_decay(self, value: str) -> bool:
        """Whether a value is the weights times numbers, and added; or a number that is a factor of such."""
        flow = self._flow
        if flow.is_decay(value):
            return flow.is_added(value)
        readers = [flow.definitions[r] for r in flow.readers[value]]
        is_number = flow.types[value] is Type.SCALAR and bool(readers)
        return is_number and all(
            r.function == "multiply" and flow.is_decay(r.target) and flow.is_added(r.target) for r in readers
        )

    def _turned(self, statement: Statement) -> Statement:
        """An average with the older part last, so that its weight is the share that is kept."""
        if statement.function != "interp":
            return statement
        x, y, weight = statement.args
        if not isinstance(weight, float) or self._age(x) <= self._age(y):
            return statement
        kept = float(f"{1 - weight:.9g}")
        is_same = 0 < kept < 1 and round_to_float32(1 - kept) == round_to_float32(weight)
        return replace(statement, args=(y, x, kept)) if is_same else statement

    def _age(self, value: Argument) -> int:
        return 2 if value in self._flow.program.states else int(self._flow.has_memory(value))


def _is_protected(statement: Statement) -> bool:
    """Whether a statement adds the language's epsilon."""
    return "{eps}" in (FUNCTIONS[statement.function].code or "")


def _shown(states: Sequence[str], targets: Mapping[str, str], taken: set[str]) -> dict[str, str]:
    """What inputs and values are called, where hyper-parameters have the names that are taken."""
    own = dict.fromkeys((*states, *targets.values()))
    used = taken | {*own}
    shown = {}
    for name in own:
        other = _OTHER_NAMES.get(name, f"{name}_") if name in taken else name
        while name in taken and other in used:
            other += "_"
        shown[name] = other
        used.add(other)
    names = {value: shown[name] for value, name in targets.items()}
    return {**names, **{s: shown[s] for s in states}, LEARNING_RATE: SCHEDULE}


def _renamed(statement: Statement, names: Mapping[str, Argument]) -> Statement:
    return replace(statement, target=str(names[statement.target]), args=args_with(statement.args, names))
