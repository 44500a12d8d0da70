"""Programs as text: the paper's Python form, read with ``ast`` and never executed.

::

    def train(w, g, m, lr):
        update = interp(g, m, 0.9)
        update = sign(update)
        ...
        return update, m

Nested expressions are accepted and unfolded into statements with fresh temporaries; ``a = b`` becomes
``a = b * 1.0``, which is exact. Other names of inputs (:mod:`lion_search.dsl.header`) and functions are read
where their meaning is clear. Printing is canonical: ``parse(format_program(p)) == p``.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Iterator

from lion_search.dsl.advice import ALIASES, advice, assigned, attribute, constant_hint, kind, outside, power
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.functions import FUNCTION_OF_SYMBOL, FUNCTIONS
from lion_search.dsl.header import HeaderError, read_header
from lion_search.dsl.program import (
    GRADIENT,
    LEARNING_RATE,
    UPDATE,
    WEIGHTS,
    Argument,
    Program,
    Statement,
)
from lion_search.dsl.types import check, unknown_function, unknown_variable, wrong_arity

MAX_TEXT_BYTES = 1_000_000
MAX_STATEMENTS = 10_000
FUNCTION_NAME = "train"

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def format_argument(arg: Argument) -> str:
    """A variable's name, or a constant's shortest exact decimal."""
    return arg if isinstance(arg, str) else repr(arg)


def format_statement(statement: Statement) -> str:
    """One line of text, infix where the function has an operator."""
    args = [format_argument(a) for a in statement.args]
    symbol = FUNCTIONS[statement.function].symbol
    right = f"{args[0]} {symbol} {args[1]}" if symbol else f"{statement.function}({', '.join(args)})"
    return f"{statement.target} = {right}"


def format_header(program: Program) -> str:
    """The ``def`` line."""
    return f"def {FUNCTION_NAME}({', '.join(program.inputs)}):"


def format_return(program: Program) -> str:
    """The ``return`` statement."""
    return f"return {', '.join(format_argument(a) for a in program.outputs)}"


def format_program(program: Program) -> str:
    """The program's canonical text, ending in a newline."""
    body = [*map(format_statement, program.statements), format_return(program)]
    return "\n".join([format_header(program), *(f"    {line}" for line in body), ""])


def parse(text: str, source: str | None = None) -> Program:
    """Reads a program and checks it.

    Args:
        text: one function ``train``; comments and docstrings are allowed and not kept.
        source: a path or name for error messages.

    Returns:
        A checked program.

    Raises:
        ProgramError: with line and column, for anything that is not a valid program.
    """
    text = text.removeprefix("\ufeff")  # a byte-order mark, with which some editors begin a file
    if len(text) > MAX_TEXT_BYTES:
        raise ProgramError(f"text of {len(text):,} characters; at most {MAX_TEXT_BYTES:,}", source=source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
        return _Reader(source, text, module).program()
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        if re.search(r"\blambda\b", error.text or ""):
            message += "; lambda is a word of Python's: give a constant another name"
        line, column = error.lineno or 1, max(1, error.offset or 1)
        raise ProgramError(message, source=source, line=line, column=column) from None
    except (RecursionError, MemoryError):
        raise ProgramError("expression nested too deeply", source=source, line=1, column=1) from None
    except ValueError as error:  # null bytes, integers with too many digits
        raise ProgramError(f"not Python: {error}", source=source, line=1, column=1) from None


class _Reader:
    """Turns one syntax tree into a program; remembers where each statement stood."""

    def __init__(self, source: str | None, text: str, module: ast.Module) -> None:
        self.source = source
        self.lines = re.split("\r\n|\r|\n", text)  # as Python counts lines; str.splitlines knows more
        self.module = module
        self.statements: list[Statement] = []
        self.positions: list[ast.AST] = []
        self.used = {n.id for n in ast.walk(module) if isinstance(n, ast.Name)}
        self.known: set[str] = set()
        self.constants: dict[str, float] = {}
        self.temporaries = 0

    def program(self) -> Program:
        function = self._function()
        states = self._header(function)
        self.used.update((WEIGHTS, GRADIENT, LEARNING_RATE, UPDATE, *states))
        self.known = {WEIGHTS, GRADIENT, LEARNING_RATE, *states, *self.constants}
        body = list(_without_docstring(function.body))
        if not body or not isinstance(body[-1], ast.Return):
            raise self._error(
                body[-1] if body else function, f"expected a last line 'return {UPDATE}, ...states'"
            )
        for node in body[:-1]:
            self._assignment(node)
        outputs = self._outputs(body[-1], states)
        program = Program(states, tuple(self.statements), outputs)
        try:
            check(program)
        except ProgramError as error:
            at = body[-1] if error.statement is None else self.positions[error.statement]
            raise self._error(at, error.message) from None
        return program

    def _error(self, node: ast.AST, message: str) -> ProgramError:
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        if 0 < line <= len(self.lines):  # the offset counts UTF-8 bytes
            offset = len(self.lines[line - 1].encode()[:offset].decode(errors="ignore"))
        return ProgramError(message, source=self.source, line=line, column=offset + 1)

    def _function(self) -> ast.FunctionDef:
        body = list(_without_docstring(self.module.body))
        first = body[0] if body else self.module
        if not isinstance(first, ast.FunctionDef) or first.name != FUNCTION_NAME:
            raise self._error(
                first,
                f"expected 'def {FUNCTION_NAME}(w, g, ...states, lr):', found {kind(first)}{outside(first)}",
            )
        if len(body) > 1:
            raise self._error(body[1], f"expected nothing after {FUNCTION_NAME}, found {kind(body[1])}")
        if first.decorator_list:
            raise self._error(first.decorator_list[0], "decorators are not allowed")
        return first

    def _header(self, function: ast.FunctionDef) -> tuple[str, ...]:
        """The states; other names of the inputs are replaced in the whole text."""
        try:
            header = read_header(function)
        except HeaderError as error:
            raise self._error(error.node, error.message) from None
        for own, name in header.renamed.items():
            if name in self.used or name in (*header.states, *header.constants):
                what = f"'{name}' stands for '{own}' here, and cannot name anything else"
                raise self._error(function, what)
        for node in ast.walk(function):
            if isinstance(node, ast.Name):
                node.id = header.renamed.get(node.id, node.id)
        self.constants.update(header.constants)
        return header.states

    def _outputs(self, node: ast.stmt, states: tuple[str, ...]) -> tuple[Argument, ...]:
        assert isinstance(node, ast.Return)
        value = node.value
        items = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] if value else []
        wanted = ", ".join((UPDATE, *states))
        if len(items) != 1 + len(states):
            raise self._error(
                node, f"expected 'return {wanted}': {1 + len(states)} values, found {len(items)}"
            )
        return tuple(self._argument(item) for item in items)

    def _assignment(self, node: ast.stmt) -> None:
        target, value = assigned(node)
        if target is None or value is None:
            raise self._error(
                node, f"expected 'variable = function(arguments)', found {kind(node)}{advice(node)}"
            )
        if not isinstance(target, ast.Name):
            raise self._error(target, f"expected a variable's name, found {kind(target)}{advice(target)}")
        if isinstance(value, ast.Name) or self._number(value) is not None:
            self._append(value, target.id, "multiply", (self._argument(value), 1.0))
        else:
            self._expression(value, target.id)

    def _append(self, node: ast.AST, target: str, function: str, args: tuple[Argument, ...]) -> None:
        if len(self.statements) >= MAX_STATEMENTS:
            raise self._error(node, f"more than {MAX_STATEMENTS:,} statements")
        self.statements.append(Statement(target, function, args))
        self.positions.append(node)
        self.known.add(target)
        self.constants.pop(target, None)

    def _expression(self, node: ast.expr, target: str) -> None:
        function, operands = self._application(node)
        self._append(node, target, function, tuple(self._argument(a) for a in operands))

    def _application(self, node: ast.expr) -> tuple[str, list[ast.expr]]:
        if isinstance(node, ast.BinOp):
            return self._operator(node), [node.left, node.right]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return "negative", [node.operand]
        if isinstance(found := node.func if isinstance(node, ast.Call) else node, ast.Attribute):
            raise self._error(node, attribute(found))
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise self._error(
                node, f"expected a function call or one of + - * /, found {kind(node)}{advice(node)}"
            )
        name = node.func.id if node.func.id in FUNCTIONS else ALIASES.get(node.func.id, node.func.id)
        function = FUNCTIONS.get(name)
        if function is None:
            raise self._error(node, unknown_function(name, FUNCTIONS))
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self._error(node, f"{name} takes plain arguments only")
        if len(node.args) != function.arity:
            raise self._error(node, f"{wrong_arity(function, len(node.args))} ({function.about})")
        return name, node.args

    def _operator(self, node: ast.BinOp) -> str:
        symbol = _OPERATORS.get(type(node.op))
        if symbol is not None:
            return FUNCTION_OF_SYMBOL[symbol]
        if isinstance(node.op, ast.Pow):
            raise self._error(node, f"expected one of + - * /, found **; write {power(node)}")
        raise self._error(node, f"expected one of + - * /, found {kind(node.op)}{advice(node.op)}")

    def _argument(self, node: ast.expr) -> Argument:
        number = self._number(node)
        if number is not None:
            return number
        if isinstance(node, ast.Name):
            if node.id not in self.known:
                raise self._error(
                    node, unknown_variable(node.id, self.known) + constant_hint(node.id, self.module)
                )
            return node.id
        name = self._fresh()
        self._expression(node, name)
        return name

    def _number(self, node: ast.expr) -> float | None:
        sign = 1.0
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
            node = node.operand
        if isinstance(node, ast.Name) and node.id in self.constants:
            node = ast.Constant(self.constants[node.id], lineno=node.lineno, col_offset=node.col_offset)
        if not isinstance(node, ast.Constant):
            return None
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error(node, f"expected a number, found {kind(node)}")
        try:
            number = sign * float(value)
        except OverflowError:
            number = math.inf
        if not abs(number) <= MAX_CONSTANT:
            raise self._error(node, f"a constant must be at most {MAX_CONSTANT} in size (float32)")
        return number

    def _fresh(self) -> str:
        while True:
            self.temporaries += 1
            name = f"t{self.temporaries}"
            if name not in self.used:
                return name


MAX_CONSTANT = 3.4028234663852886e38
"""The largest float32; programs run in float32."""


def _without_docstring(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for index, node in enumerate(body):
        is_text = (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )
        if not (index == 0 and is_text):
            yield node
