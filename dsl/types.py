"""The meaning of a program as types, and the check that a program is well formed.

Casting goes one way: a scalar or one number per array may stand wherever something wider is wanted. The
only errors of type are therefore a wider value where a scalar is required (``clip``'s limit,
``interp``'s weight).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lion_search.dsl.errors import ProgramError, did_you_mean
from lion_search.dsl.execute import execute
from lion_search.dsl.functions import FUNCTIONS, Function, Type
from lion_search.dsl.program import LEARNING_RATE, Program
from lion_search.dsl.shown import plural

SCALAR, PER_ARRAY, TREE = Type.SCALAR, Type.PER_ARRAY, Type.TREE

_TYPE_NAMES = {SCALAR: "a scalar", PER_ARRAY: "one number per array", TREE: "a tree of arrays"}


class TypeDomain:
    """Values are :class:`Type`; a mistake raises :class:`ProgramError` with the statement's index."""

    def constant(self, value: float) -> Type:
        return SCALAR

    def apply(self, function: Function, args: Sequence[Type], index: int) -> Type:
        if len(args) != function.arity:
            raise ProgramError(wrong_arity(function, len(args)), statement=index)
        if function.needs_scalar:
            for position, (found, widest) in enumerate(zip(args, function.parameters, strict=True)):
                if found > widest:
                    raise ProgramError(
                        f"argument {position + 1} of {function.name} must be {_TYPE_NAMES[widest]}, "
                        f"found {_TYPE_NAMES[found]}",
                        statement=index,
                    )
        return function.result_type(args)


_DOMAIN = TypeDomain()


def input_types(program: Program) -> dict[str, Type]:
    """The type of each input: trees, but for the learning rate."""
    types = dict.fromkeys(program.inputs, TREE)
    types[LEARNING_RATE] = SCALAR
    return types


def check(program: Program, allowed: Mapping[str, object] = FUNCTIONS) -> tuple[Type, ...]:
    """Checks the body of a program: functions, variables, types; ``parse`` checks names and constants too.

    Args:
        program: any program.
        allowed: the functions it may use.

    Returns:
        The type of each output before it is cast to a tree.

    Raises:
        ProgramError: unknown or forbidden function, wrong number of arguments, unknown variable, or a
            wider value where a scalar is required.
    """
    if allowed is not FUNCTIONS:
        for index, statement in enumerate(program.statements):
            if statement.function not in allowed:
                raise ProgramError(unknown_function(statement.function, allowed), statement=index)
    try:
        return execute(program, _DOMAIN, input_types(program))
    except KeyError:
        raise _unknown_name(program) from None


def _unknown_name(program: Program) -> ProgramError:
    """What is wrong with a program in which the walk met an unknown function or variable."""
    known = set(program.inputs)
    for index, statement in enumerate(program.statements):
        if statement.function not in FUNCTIONS:
            return ProgramError(unknown_function(statement.function, FUNCTIONS), statement=index)
        for arg in statement.args:
            if isinstance(arg, str) and arg not in known:
                return ProgramError(unknown_variable(arg, known), statement=index)
        known.add(statement.target)
    missing = next(o for o in program.outputs if isinstance(o, str) and o not in known)
    return ProgramError(f"returned variable '{missing}' is never assigned")


def wrong_arity(function: Function, found: int) -> str:
    """The message for a wrong number of arguments."""
    return f"{function.name} takes {plural(function.arity, 'argument')}, found {found}"


def unknown_function(name: str, allowed: Mapping[str, object]) -> str:
    """The message for a function that a program may not use."""
    if name in FUNCTIONS:
        return f"function '{name}' is not among the allowed ones: {', '.join(allowed)}"
    own = "; one of your own: --functions module:name, in a run functions in its config"
    return f"unknown function '{name}'{did_you_mean(name, allowed)}{own}"


def unknown_variable(name: str, known: set[str]) -> str:
    """The message for a variable that is read before it is assigned."""
    names = sorted(known)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    hint = did_you_mean(name, names[:1000]) or f"; known here: {listed}"
    return f"unknown variable '{name}'{hint}"


class _TypeRecorder(TypeDomain):
    """Keeps the types of each statement's arguments and result."""

    def __init__(self) -> None:
        self.statements: list[tuple[tuple[Type, ...], Type]] = []

    def apply(self, function: Function, args: Sequence[Type], index: int) -> Type:
        result = super().apply(function, args, index)
        self.statements.append((tuple(args), result))
        return result


def statement_types(program: Program) -> list[tuple[tuple[Type, ...], Type]]:
    """For each statement of a checked program the types of its arguments and of its result."""
    recorder = _TypeRecorder()
    execute(program, recorder, input_types(program))
    return recorder.statements
