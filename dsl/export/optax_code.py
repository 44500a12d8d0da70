"""A program as a Python file for optax that imports nothing of this project.

Where a program only looks at one array at a time, the file holds the step of one array and reads like
the paper. Programs that look across arrays (``clip``, ``global_norm``, ``dot``, ``cosine_sim``) become a
step over lists of arrays.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.optax_parts import EACH, FILE, FILL, TREES, ZEROS
from lion_search.dsl.functions import FUNCTIONS, Function, Type
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import WEIGHTS, Argument, Program
from lion_search.dsl.text import format_argument, format_program
from lion_search.dsl.types import check, statement_types

_TARGET, _XP = "jax", "jnp"

_RESERVED = frozenset(
    [
        "jax",
        "jnp",
        "optax",
        "NamedTuple",
        "ValueError",
        "Any",
        "callable",
        "isinstance",
        "len",
        "list",
        "map",
        "max",
        "sum",
        "zip",
        "count",
        "index",
        "init",
        "update",
    ]
)
"""Names that the file itself uses, or that a named tuple has."""


def to_optax(program: Program, name: str = "optimizer", title: str = "Optimizer found by lion-search") -> str:
    """The program as the text of a Python file.

    Args:
        program: a checked program; what is redundant is left out.
        name: of the function that makes the transformation.
        title: first line of the file's docstring.

    Raises:
        ProgramError: the name is no Python identifier.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED or name.startswith("_"):
        raise ProgramError(
            f"'{name}' cannot name a Python function here: no identifier, or used in the file itself"
        )
    return _Writer(prune(program), name, title).file()


class _Writer:
    """Writes one file."""

    def __init__(self, program: Program, name: str, title: str) -> None:
        self._program = program
        self._name = name
        self._title = " ".join(title.split()).replace("\\", "/").replace('"', "'")
        self._names = self._safe_names()
        self._states = [self._names[s] for s in program.states]
        self._rows = [FUNCTIONS[s.function] for s in program.statements]
        self._across = any(row.looks_across for row in self._rows)
        self._types = statement_types(program)

    def _safe_names(self) -> dict[str, str]:
        """Variables by what they are called in the file; Python's and the file's own names are avoided."""
        program = self._program
        taken: set[str] = set()
        names: dict[str, str] = {}
        for variable in (*program.inputs, *(s.target for s in program.statements)):
            safe = variable
            while safe in _RESERVED or safe in taken - {names.get(variable)} or safe.startswith("_"):
                safe = f"{safe.lstrip('_')}_"
            if variable not in names:
                names[variable] = safe
                taken.add(safe)
        return names

    def file(self) -> str:
        state_name = "".join(part.capitalize() for part in self._name.split("_")) + "State"
        step = self._step(self._body())
        listing = "".join(f"    {line}\n" for line in format_program(self._program).splitlines())
        return FILE.format(
            title=self._title,
            name=self._name,
            listing=listing.rstrip("\n"),
            state_name=state_name,
            state_about=" and the state arrays" if self._states else "",
            state_fields="".join(f"    {s}: optax.Updates\n" for s in self._states),
            helpers=self._helpers(step),
            step=step,
            init=self._init(state_name),
            checks=self._checks(),
            apply=self._apply(),
            unflatten="".join(f"                cast(new_{s}, state.{s}),\n" for s in self._states),
        )

    def _arg(self, arg: Argument) -> str:
        return self._names[arg] if isinstance(arg, str) else format_argument(arg)

    def _body(self) -> list[str]:
        lines = []
        for statement, row, (types, _) in zip(self._program.statements, self._rows, self._types, strict=True):
            right = self._right_side(row, statement.args, types)
            lines.append(f"{self._names[statement.target]} = {right}")
        return lines

    def _right_side(self, row: Function, original: Sequence[Argument], types: Sequence[Type]) -> str:
        args = [self._arg(a) for a in original]
        if args and all(isinstance(a, float) for a in original):
            args[0] = f"jnp.float32({args[0]})"  # Python's own numbers raise where arrays give infinity
        template = _template(row)
        if not row.elementwise:
            args = [
                self._filled(a) if wanted is Type.TREE and found is not Type.TREE else a
                for a, wanted, found in zip(args, row.parameters, types, strict=True)
            ]
        # What must be a tree has been filled; else only values that are lists are taken one by one.
        has_lists = bool(args) and (not row.elementwise or max(types) is not Type.SCALAR)
        if self._across and has_lists and not row.looks_across:
            return self._each(template, args, original)
        return template.format(*map(_bracketed, args))

    def _filled(self, text: str) -> str:
        return f"_fill({text}, _like)" if self._across else f"jnp.broadcast_to({text}, _like.shape)"

    def _each(self, template: str, args: Sequence[str], original: Sequence[Argument]) -> str:
        letters = "xyz"
        inner, outer = [], []
        for letter, text, arg in zip(letters, args, original, strict=False):
            if isinstance(arg, float) and text == format_argument(arg):
                inner.append(_bracketed(text))
            else:
                inner.append(letter)
                outer.append((letter, text))
        parameters = ", ".join(letter for letter, _ in outer)
        values = ", ".join(text for _, text in outer)
        return f"_each(lambda {parameters}: {template.format(*inner)}, {values})"

    def _step(self, body: Sequence[str]) -> str:
        inputs = ", ".join(self._names[n] for n in self._program.inputs)
        what = "lists of arrays" if self._across else "one array"
        outputs = [
            self._arg(o) if found is Type.TREE else self._filled(self._arg(o))
            for o, found in zip(self._program.outputs, check(self._program), strict=True)
        ]
        returned = outputs[0] if len(outputs) > 1 else f"({outputs[0]},)"
        lines = [*body, f"return {', '.join([returned, *outputs[1:]])}"]
        if any("_like" in line for line in lines):
            lines.insert(0, f"_like = {self._names[WEIGHTS]}")
        text = "".join(f"    {line}\n" for line in lines)
        results = ", ".join(("the update, to be subtracted", *(f"new {s}" for s in self._states)))
        return f'\ndef _step({inputs}):\n    """One step over {what}: {results}."""\n{text}'

    def _helpers(self, step: str) -> str:
        own = dict.fromkeys(helper for row in self._rows for helper in row.helpers)
        texts = [EACH] if "_each(" in step else []
        texts += [helper.replace("{xp}", _XP) for helper in own]
        texts += [FILL] if "_fill(" in step else []
        texts += [TREES.format(name=self._name)]
        return "".join(f"\n{text}" for text in texts)

    def _init(self, state_name: str) -> str:
        arguments = "".join(", zeros()" for _ in self._states)
        new = f"        return {state_name}(jnp.zeros([], jnp.int32){arguments})"
        return f"{ZEROS}\n{new}" if self._states else new

    def _checks(self) -> str:
        trees = {"gradients": "gradients", **{f"state {s}": f"state.{s}" for s in self._states}}
        return "".join(f'        _check("{what}", {tree}, params)\n' for what, tree in trees.items())

    def _apply(self) -> str:
        arrays = ", ".join(f"wide({tree})" for tree in ("gradients", *(f"state.{s}" for s in self._states)))
        results = ", ".join(("_updates", *(f"new_{s}" for s in self._states)))
        results = results if self._states else f"({results},)"
        if self._across:
            return f"        {results} = _step(weights, {arrays}, lr)"
        return (
            f"        arrays = zip(weights, {arrays})\n"
            f"        {results} = zip(*(_step(*one, lr) for one in arrays))"
        )


def _template(row: Function) -> str:
    """The code of a function, with ``{0}``, ``{1}``, ... for its arguments."""
    code = row.code_for(_TARGET, _XP)
    if code is None:
        raise ProgramError(
            f"function '{row.name}' of your own has neither code nor jax_code, so it cannot be exported"
        )
    return code


def _bracketed(text: str) -> str:
    """Negative numbers in brackets, so that ``-0.5`` can stand anywhere in an expression."""
    return f"({text})" if text.startswith("-") else text
