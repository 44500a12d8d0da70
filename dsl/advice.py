"""What people write in Python, NumPy or the authors' release: what it is called, and how to write it here."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import MappingProxyType

from lion_search.dsl.errors import did_you_mean
from lion_search.dsl.functions import FUNCTIONS

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "interpolate": "interp",
        "clip_by_global_norm": "clip",
        "max": "maximum",
        "min": "minimum",
        "pow": "power",
    }
)
"""Names of the authors' release and of Python, for functions of the language; they are read as these."""

_NO_BRANCHES = "there are no branches and comparisons; maximum, minimum, sign and abs choose between numbers"
_NO_LOOPS = "there are no loops: a program is one step, for all arrays at once"
_ONE_EACH = "assign one variable a line"
_NO_ROUNDING = "there is no rounding"
_NO_INDEX = "a variable is a whole tree of arrays, without indices"
_ADVICE: Mapping[type[ast.AST], str] = MappingProxyType(
    {
        ast.Import: "leave it out: the functions of the language need none",
        ast.ImportFrom: "leave it out: the functions of the language need none",
        ast.If: _NO_BRANCHES,
        ast.IfExp: _NO_BRANCHES,
        ast.Match: _NO_BRANCHES,
        ast.Compare: _NO_BRANCHES,
        ast.BoolOp: _NO_BRANCHES,
        ast.For: _NO_LOOPS,
        ast.While: _NO_LOOPS,
        ast.ListComp: _NO_LOOPS,
        ast.GeneratorExp: _NO_LOOPS,
        ast.Assign: _ONE_EACH,
        ast.Tuple: _ONE_EACH,
        ast.Subscript: _NO_INDEX,
        ast.MatMult: "dot(x, y) is the inner product of two trees",
        ast.FloorDiv: _NO_ROUNDING,
        ast.Mod: _NO_ROUNDING,
        ast.Expr: "what is not assigned has no effect",
    }
)
_POWERS: Mapping[float, str] = MappingProxyType(
    {2: "square({})", 3: "cube({})", 0.5: "sqrt({})", -1: "reciprocal({})", -0.5: "1.0 / sqrt({})"}
)


def advice(node: ast.AST) -> str:
    """``"; "`` and what to do instead, or an empty string."""
    return f"; {_ADVICE[type(node)]}" if type(node) in _ADVICE else ""


def outside(node: ast.AST) -> str:
    """The same for what stands before the function."""
    if isinstance(node, ast.Assign):
        return "; a constant stands in the header, as in beta=0.9"
    return advice(node)


def constant_hint(name: str, module: ast.Module) -> str:
    """``"; "`` and what to do about a name that the text assigns nowhere, such as beta1 in a paper."""
    found = (node for node in ast.walk(module) if isinstance(node, ast.Name) and node.id == name)
    is_assigned = any(isinstance(node.ctx, ast.Store) for node in found)
    return "" if is_assigned else f"; a constant is a number, here or in the header, as in {name}=0.9"


def power(node: ast.BinOp) -> str:
    """How to write ``a ** b``."""
    base, exponent = ast.unparse(node.left), ast.unparse(node.right)
    try:
        form = _POWERS.get(float(exponent), "")
    except ValueError:
        form = ""
    return form.format(base) or f"power({base}, {exponent})"


def attribute(node: ast.Attribute) -> str:
    """What is wrong with a name after a dot, such as ``jnp.sqrt`` or ``math.pi``."""
    name = ALIASES.get(node.attr, node.attr)
    if name in FUNCTIONS:
        return f"functions have no module before them: write {name} for {ast.unparse(node)[:60]}"
    if f"get_{name}" in FUNCTIONS:
        return f"write get_{name}() for {ast.unparse(node)[:60]}"
    return f"unknown function '{ast.unparse(node)[:60]}'{did_you_mean(name, FUNCTIONS)}"


def assigned(node: ast.stmt) -> tuple[ast.expr | None, ast.expr | None]:
    """Target and value of an assignment to one target; ``a += b`` assigns ``a + b``."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return node.targets[0], node.value
    if isinstance(node, ast.AnnAssign):
        return node.target, node.value
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        return node.target, ast.copy_location(ast.BinOp(read, node.op, node.value), node)
    return None, None


def kind(node: ast.AST) -> str:
    """What a piece of text is called in messages."""
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__} {str(node.value)[:40]!r}"
    if isinstance(node, ast.Name):
        return f"'{node.id}'"
    if isinstance(node, ast.Module):
        return "nothing"
    if isinstance(node, ast.FunctionDef):
        return f"'def {node.name}'"
    return f"Python's {type(node).__name__}"
