"""The step of an optimizer as Python code for an array library: what exports to such libraries share.

Where a program only looks at one array at a time, the code is of one array and reads like the paper.
Programs that look across arrays (``clip``, ``global_norm``, ``dot``, ``cosine_sim``) become a step over lists
of arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.hyperparameters import EPS, Line, Rule
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Function, Type
from lion_search.dsl.program import GRADIENT, WEIGHTS, Argument
from lion_search.dsl.text import format_argument

LIKE = "_like"
"""What stands for the weights in the code, where a program may have overwritten them."""
_COLUMNS = ("x", "y", "z")
_KEPT = frozenset(("isinstance", "len", "list", "map", "max", "sum", "zip", "range", "tuple"))
_WIDTH = 88
"""Of a line, as far as lines are broken: what formatters of Python take by default."""


@dataclass(frozen=True, slots=True)
class Library:
    """How code of an array library is written.

    Attributes:
        target: the name under which functions have code for it.
        xp: what it is called in the file.
        number: code that makes ``{0}`` a number of the library's, of the kind of the array ``{like}``.
        broadcast: code that gives ``{0}`` the shape of the array ``{like}``.
        reserved: names that the file uses for something else.
        calls_take_numbers: whether its functions take Python's numbers.
        shown_as: what inputs are called in the file, where it is another name.
        arrays: inputs that are numbers of the library's already.
        lists: inputs that are one number for each array in a step over lists of arrays.
        foreach: the name under which functions have code for all arrays of a list at once, if any.
        copy: code that copies an array, where an output must not be an input itself.
        unknown: code for a function of the user's own that has none, with places for ``name`` and ``args``.
    """

    target: str
    xp: str
    number: str
    broadcast: str
    reserved: frozenset[str]
    calls_take_numbers: bool = True
    shown_as: tuple[tuple[str, str], ...] = ()
    arrays: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    foreach: str = ""
    copy: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class StepCode:
    """The code of a step.

    Attributes:
        text: a function ``_step(w, g, *states, *numbers)`` that returns the update and the new states.
        states: what the states are called.
        numbers: what the numbers are called, the hyper-parameters and the schedule.
        helpers: functions that it calls, as text.
        takes_lists: whether it is a step over lists of arrays.
        names: what inputs and variables of the program are called.
    """

    text: str
    states: tuple[str, ...]
    numbers: tuple[str, ...]
    helpers: tuple[str, ...]
    takes_lists: bool
    names: Mapping[str, str]


def write_step(
    rule: Rule, library: Library, name: str = "_step", *, over_lists: bool | None = None
) -> StepCode:
    """The step as code.

    Args:
        rule: the optimizer.
        library: the array library.
        name: of the function.
        over_lists: whether it is to be a step over lists of arrays; by default if it has to be.

    Raises:
        ProgramError: a function of the user's own has no code for it.
    """
    return _Writer(rule, library, rule.looks_across if over_lists is None else over_lists).code(name)


def tuple_of(start: str, values: Sequence[str], end: str = "") -> str:
    """A tuple as code, broken where it is too long."""
    return signature(start, values, end) if len(values) != 1 else f"{start}({values[0]},){end}"


def names_of(values: Sequence[str]) -> str:
    """A tuple of names as code."""
    return tuple_of("", [f'"{v}"' for v in values])


def signature(start: str, parameters: Sequence[str], end: str) -> str:
    """The first lines of a definition, or a call, broken where it is too long."""
    line = f"{start}({', '.join(parameters)}){end}"
    if len(line) <= _WIDTH:
        return line
    indent = " " * (len(start) - len(start.lstrip()))
    together = f"{indent}    {', '.join(parameters)}"
    if len(together) <= _WIDTH and not any("=" in p for p in parameters):
        return f"{start}(\n{together}\n{indent}){end}"
    lines = "".join(f"{indent}    {p},\n" for p in parameters)
    return f"{start}(\n{lines}{indent}){end}"


class _Writer:
    """Writes one step. A value is plain (Python's number), an array, or a list with one for each array.

    What a function of the language has computed is the step's own: no input, and known by one name only.
    """

    def __init__(self, rule: Rule, library: Library, over_lists: bool) -> None:
        self._rule = rule
        self._library = library
        self._over_lists = over_lists
        self._names = self._safe_names()
        self._plain = {*rule.numbers} - library.arrays - (library.lists if over_lists else frozenset())
        self._lists = {WEIGHTS, GRADIENT, *rule.states, *library.lists} if over_lists else set()
        self._own: set[str] = set()

    def _safe_names(self) -> dict[str, str]:
        """Inputs and variables by what they are called in the file, whose own names are avoided."""
        rule, library = self._rule, self._library
        shown = dict(library.shown_as)
        names = {n: shown.get(n, n) for n in rule.numbers}
        taken = {*names.values()}
        avoided = library.reserved | _KEPT | (frozenset(_COLUMNS) if self._over_lists else frozenset())
        for variable in (WEIGHTS, GRADIENT, *rule.states, *(line.statement.target for line in rule.lines)):
            if variable in names:
                continue
            safe = variable
            while safe in avoided or safe in taken or safe.startswith("_"):
                safe = f"{safe.lstrip('_')}_"
            names[variable] = safe
            taken.add(safe)
        return names

    def code(self, name: str) -> StepCode:
        rule = self._rule
        inputs = [self._names[n] for n in (WEIGHTS, GRADIENT, *rule.states, *rule.numbers)]
        body = [self._line(line) for line in rule.lines]
        outputs = [self._output(o, t) for o, t in zip(rule.outputs, rule.output_types, strict=True)]
        returned = f"return {', '.join(outputs)}" if len(outputs) > 1 else f"return ({outputs[0]},)"
        lines = [*body, returned]
        if any(LIKE in line for line in lines):
            lines.insert(0, f"{LIKE} = {self._names[WEIGHTS]}")
        states = tuple(self._names[s] for s in rule.states)
        what = "lists of arrays" if self._over_lists else "one array"
        results = ", ".join(("the update, to be subtracted", *(f"new {s}" for s in states)))
        text = signature(f"def {name}", inputs, ":") + f'\n    """One step over {what}: {results}."""\n'
        text += "".join(f"    {line}\n" for line in lines)
        numbers = tuple(self._names[n] for n in rule.numbers)
        return StepCode(text, states, numbers, self._helpers(text), self._over_lists, self._names)

    def _helpers(self, text: str) -> tuple[str, ...]:
        rows = (FUNCTIONS[line.statement.function] for line in self._rule.lines)
        own = dict.fromkeys(h.replace("{xp}", self._library.xp) for row in rows for h in row.helpers)
        fill = FILL.format(broadcast=self._library.broadcast.format("v", like="a"))
        return (*own, fill) if "_fill(" in text else (*own,)

    def _line(self, line: Line) -> str:
        statement, row = line.statement, FUNCTIONS[line.statement.function]
        right, is_list = self._right_side(row, statement.args, line.argument_types)
        (self._plain.discard if row.arity else self._plain.add)(statement.target)
        (self._lists.add if is_list else self._lists.discard)(statement.target)
        name, is_own = self._names[statement.target], statement.target in self._own
        (self._own.add if row.name in BUILT_IN else self._own.discard)(statement.target)
        in_place = re.fullmatch(rf"(torch\._foreach_\w+)\({re.escape(name)}([,)].*)", right)
        if is_own and in_place:  # what is overwritten by itself needs no memory
            return f"{in_place[1]}_({name}{in_place[2]}"
        return f"{name} = {right}"

    def _right_side(self, row: Function, args: Sequence[Argument], types: Sequence[Type]) -> tuple[str, bool]:
        """The code, and whether it gives a list."""
        template = self._template(row)
        if not row.elementwise:
            texts = [
                self._filled(a) if wanted is Type.TREE and found is not Type.TREE else self._text(a)
                for a, wanted, found in zip(args, row.parameters, types, strict=True)
            ]
            if row.looks_across or not (self._over_lists and row.arity):
                return template.format(*texts), row.result is not Type.SCALAR and self._over_lists
            return self._comprehension(template, texts, [True] * len(texts)), True
        foreach = self._library.foreach and row.codes.get(self._library.foreach)
        if foreach and (fitted := self._fits(row, args, types)) is not None:
            return foreach.format(*map(self._text, fitted), eps=EPS), True
        if "{eps}" in template:  # one more argument
            template, args = template.replace("{eps}", f"{{{len(args)}}}"), (*args, EPS)
        if not any(a in self._lists for a in args):
            return self._of_arrays(row, template, args), False
        are_lists = [a in self._lists for a in args]
        texts = [self._in_call(row, template, i, a, _COLUMNS[0]) for i, a in enumerate(args)]
        return self._comprehension(template, texts, are_lists), True

    def _of_arrays(self, row: Function, template: str, args: Sequence[Argument]) -> str:
        """The code of one array."""
        like = f"{LIKE}[0]" if self._over_lists else LIKE
        texts = [self._in_call(row, template, i, a, like) for i, a in enumerate(args)]
        if args and all(map(self._is_plain, args)):  # Python's own raise where arrays give infinity
            texts[0] = self._number(args[0], like)
        return template.format(*map(_bracketed, texts))

    def _comprehension(self, template: str, texts: Sequence[str], are_lists: Sequence[bool]) -> str:
        """The code for each array of the arguments that are lists."""
        lists = dict.fromkeys(t for t, is_list in zip(texts, are_lists, strict=True) if is_list)
        letters = dict(zip(lists, _COLUMNS, strict=False))
        args = [letters[t] if is_list else t for t, is_list in zip(texts, are_lists, strict=True)]
        source = f"zip({', '.join(lists)})" if len(lists) > 1 else next(iter(lists))
        return f"[{template.format(*map(_bracketed, args))} for {', '.join(letters.values())} in {source}]"

    def _fits(self, row: Function, args: Sequence[Argument], types: Sequence[Type]) -> list[Argument] | None:
        """The arguments as code for all arrays at once takes them; ``None`` if it does not."""
        ordered = sorted(args, key=self._is_plain) if row.commutative else [*args]
        is_tree = {a: a in self._lists and t is Type.TREE for a, t in zip(args, types, strict=True)}
        may_be_plain = {1} if row.symbol in ("+", "-", "*") else {2}
        fits = (is_tree[a] or (i in may_be_plain and self._is_plain(a)) for i, a in enumerate(ordered))
        return ordered if is_tree[ordered[0]] and all(fits) else None

    def _template(self, row: Function) -> str:
        library = self._library
        if library.unknown and row.name not in BUILT_IN and library.target not in row.codes:
            places = ", ".join(f"{{{i}}}" for i in range(row.arity))
            return library.unknown.format(name=row.name, args=places)
        code = row.code_for(library.target, library.xp)
        if code is None:
            target = library.target
            raise ProgramError(
                f"function '{row.name}' of your own has no code for {target}: give it code or "
                f"codes={{'{target}': ...}}"
            )
        return code

    def _output(self, value: Argument, type_: Type) -> str:
        if type_ is not Type.TREE:
            return self._filled(value)
        is_input = all(line.statement.target != value for line in self._rule.lines)
        if not (is_input and self._library.copy):
            return self._text(value)
        copy = self._library.copy.format("x" if self._over_lists else self._text(value))
        return f"[{copy} for x in {self._text(value)}]" if self._over_lists else copy

    def _filled(self, value: Argument) -> str:
        like = f"{LIKE}[0]" if self._over_lists else LIKE
        text = self._number(value, like) if self._is_plain(value) else self._text(value)
        return (
            f"_fill({text}, {LIKE})" if self._over_lists else self._library.broadcast.format(text, like=LIKE)
        )

    def _in_call(self, row: Function, template: str, position: int, value: Argument, like: str) -> str:
        """An argument; Python's numbers are made the library's where its functions take arrays only."""
        needs_array = not self._library.calls_take_numbers and f"{self._library.xp}." in template
        if needs_array and Type.TREE in row.parameters[position:][:1] and self._is_plain(value):
            return self._number(value, like)
        return self._text(value)

    def _number(self, value: Argument, like: str) -> str:
        return self._library.number.format(self._text(value), like=like)

    def _is_plain(self, value: Argument) -> bool:
        return isinstance(value, float) or value in self._plain

    def _text(self, value: Argument) -> str:
        return self._names[value] if isinstance(value, str) else format_argument(value)


def _bracketed(text: str) -> str:
    """Negative numbers in brackets, so that ``-0.5`` can stand anywhere in an expression."""
    return f"({text})" if text.startswith("-") else text


FILL = '''
def _fill(value, like):
    """A number, or one for each array, as arrays of the shapes of ``like``."""
    values = value if isinstance(value, list) else [value] * len(like)
    return [{broadcast} for v, a in zip(values, like)]
'''
