"""The learning rate taken out of an update: lr * a * x + lr * b * w becomes (x + w * (b / a)) * (lr * a).

A search has no reason to multiply by the learning rate at the end; a person has. Each value is split into
what is left of it, a constant, and a power of the learning rate, through products, numerators and sums; a sum
gives up the constant that all its terms have, weight decay apart. What comes out is kept if it is no longer
than what was given, and if rewriting proves each split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from lion_search.dsl.dataflow import Dataflow, dataflow
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import GRADIENT, LEARNING_RATE, WEIGHTS, Argument, Program, Statement
from lion_search.dsl.variation.statements import MAX_SIZE


def factor_learning_rate(form: Program) -> Program:
    """Takes the learning rate and a constant out of the update, where that is proved and costs nothing.

    Args:
        form: a canonical program.

    Returns:
        A canonical program, equal to the given one up to the rounding of its constants; the same one if
        there is nothing to take out.
    """
    factoring = _Factoring(dataflow(form))
    candidate = factoring.candidate()
    if candidate is None:
        return form
    found = canonicalise(candidate).program()
    if found == form or len(found.statements) > len(form.statements) or found.states != form.states:
        return form
    return found if all(map(_is_proved, factoring.claims)) else form


def _is_proved(claim: Program) -> bool:
    """Whether both outputs are equal, before constants are rounded."""
    from lion_search.simplify.equality.egraph import RewriteLimits  # takes a good part of a second
    from lion_search.simplify.equality.rewriting import PROVED, egraph

    # A split is one step; the number of nodes is what ends a proof, on any machine.
    before, after = egraph(claim, PROVED, RewriteLimits(nodes=1_000, rounds=6, seconds=10.0)).roots
    return before == after


class _Split(NamedTuple):
    """A value: ``core * constant * lr ** power``."""

    core: Argument
    constant: float = 1.0
    power: int = 0


class _Body:
    """Statements that are being written; their targets are numbered."""

    def __init__(self, prefix: str) -> None:
        self.statements: list[Statement] = []
        self._prefix = prefix

    def apply(self, function: str, *args: Argument) -> str:
        name = f"{self._prefix}{len(self.statements)}"
        self.statements.append(Statement(name, function, args))
        return name

    def number(self, constant: float, power: int) -> Argument:
        """``lr ** power * constant``."""
        if not power:
            return constant
        value = LEARNING_RATE if constant == 1 else self.apply("multiply", LEARNING_RATE, constant)
        for _ in range(power - 1):
            value = self.apply("multiply", value, LEARNING_RATE)
        return value

    def times(self, core: Argument, number: Argument) -> Argument:
        if core == 1.0 or number == 1.0:
            return number if core == 1.0 else core
        return self.apply("multiply", core, number)

    def joined(self, split: _Split) -> Argument:
        """The value that was split."""
        return self.times(split.core, self.number(split.constant, split.power))


class _Factoring:
    """Splits the values of a program one after the other, and writes what is new between its statements.

    ``claims`` are what has to be proved: programs whose two outputs should be equal.
    """

    def __init__(self, flow: Dataflow) -> None:
        self.claims: list[Program] = []
        self._flow = flow
        self._body = _Body("y")
        self._splits: dict[Argument, _Split] = {LEARNING_RATE: _Split(1.0, 1.0, 1)}

    def candidate(self) -> Program | None:
        """The program with the learning rate last in its update, if all of the update has it."""
        program, body = self._flow.program, self._body
        for statement in program.statements:
            split = self._splits[statement.target] = self._rule(statement)
            if statement.target != program.outputs[0]:
                body.statements.append(statement)
                continue
            if not split.power or split.core == 1.0:
                return None
            number = body.number(split.constant, split.power)
            body.statements.append(Statement(statement.target, "multiply", (split.core, number)))
        return prune(replace(program, statements=tuple(body.statements)))

    def _rule(self, statement: Statement) -> _Split:
        """A statement's value, split by its function's rule if there is one that applies."""
        rule = _RULES.get(statement.function)
        start = len(self._body.statements)
        split = rule(self, statement) if rule else None
        if split is None:
            return _Split(statement.target)
        self.claims.append(self._claim(statement, self._body.statements[start:], split))
        return split

    def _claim(self, statement: Statement, new: Sequence[Statement], split: _Split) -> Program:
        """That a statement of its arguments' parts equals its own parts, whatever the parts are."""
        body = _Body("z")
        before = body.apply(statement.function, *map(body.joined, self._parts(statement)))
        outputs = (before, body.joined(split))
        statements = (*new, *body.statements)
        known = {WEIGHTS, GRADIENT, LEARNING_RATE, *(s.target for s in statements)}
        read = [*outputs, *(a for s in statements for a in s.args)]
        unknown = dict.fromkeys(a for a in read if isinstance(a, str) and a not in known)
        return Program(tuple(unknown), statements, outputs)

    def _parts(self, statement: Statement) -> list[_Split]:
        """The arguments, split; of a quotient only the numerator."""
        whole = statement.args[1:] if statement.function == "divide" else ()
        return [*map(self._split, statement.args[: len(statement.args) - len(whole)]), *map(_Split, whole)]

    def _split(self, value: Argument) -> _Split:
        if isinstance(value, float):
            return _Split(1.0, value) if _is_moderate(value) else _Split(value)
        return self._splits.get(value, _Split(value))

    def product(self, statement: Statement) -> _Split | None:
        """Both factors' parts come out."""
        x, y = self._parts(statement)
        constant = x.constant * y.constant
        if (x.core, y.core) == statement.args or not _is_moderate(constant):
            return None
        return _Split(self._body.times(x.core, y.core), constant, x.power + y.power)

    def quotient(self, statement: Statement) -> _Split | None:
        """The first argument's parts come out."""
        cores = tuple(p.core for p in self._parts(statement))
        if cores == statement.args:
            return None
        return self._parts(statement)[0]._replace(core=self._body.apply(statement.function, *cores))

    def sum(self, statement: Statement) -> _Split | None:
        """What all terms have comes out; the constant is that of the terms other than weight decay."""
        terms = self._parts(statement)
        power = min(t.power for t in terms)
        mains = [t for t, a in zip(terms, statement.args, strict=True) if not self._flow.is_decay(a)]
        constants = {t.constant for t in mains or terms}
        constant = constants.pop() if len(constants) == 1 else 1.0
        rest = [t._replace(constant=t.constant / constant, power=t.power - power) for t in terms]
        if (constant == 1 and power == 0) or not all(_is_moderate(t.constant) for t in rest):
            return None
        return _Split(self._body.apply(statement.function, *map(self._body.joined, rest)), constant, power)


def _is_moderate(constant: float) -> bool:
    """Whether a constant is well inside float32."""
    return 1 / MAX_SIZE <= abs(constant) <= MAX_SIZE


_RULES: Mapping[str, Callable[[_Factoring, Statement], _Split | None]] = MappingProxyType(
    {
        "multiply": _Factoring.product,
        "divide": _Factoring.quotient,
        "negative": _Factoring.quotient,
        "add": _Factoring.sum,
        "subtract": _Factoring.sum,
    }
)
"""How a function's value is split; all others are left whole."""
