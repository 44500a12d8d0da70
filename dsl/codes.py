"""The code of the language's functions in single exports, where it is not as in most array libraries.

``{0}``, ``{1}``, ... are the arguments, ``{eps}`` the language's epsilon. The target ``torch_foreach`` is of
all tensors of a list at once; what it lacks is done one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

_TORCH = {
    "exp10": "torch.pow(10.0, {0})",
    "cbrt": "torch.sign({0}) * torch.abs({0}) ** (1 / 3)",
    "power": "torch.pow({0}, {1})",
    "interp": "torch.lerp({0}, {1}, {2})",
}
_FOREACH = {
    **{
        name: f"{name}({{0}})"
        for name in ("abs", "cos", "sin", "tan", "exp", "sinh", "cosh", "tanh", "expm1")
    },
    **{name: f"{name}(torch._foreach_abs({{0}}))" for name in ("log", "log2", "log10", "sqrt")},
    **{name: f"{name}({{0}}, {{1}})" for name in ("maximum", "minimum")},
    "arcsin": "asin({0})",
    "arccos": "acos({0})",
    "arctan": "atan({0})",
    "sign": "sign({0})",
    "square": "mul({0}, {0})",
    "reciprocal": "reciprocal({0})",
    "negative": "neg({0})",
    "add": "add({0}, {1})",
    "subtract": "sub({0}, {1})",
    "multiply": "mul({0}, {1})",
    "divide": "div({0}, torch._foreach_add({1}, {eps}))",
    "interp": "lerp({0}, {1}, {2})",
}
_KERAS = {
    "cbrt": "ops.sign({0}) * ops.power(ops.abs({0}), 1 / 3)",
    "get_pi": repr(math.pi),
    "get_e": repr(math.e),
}
_SYMPY = {
    **{f"arc{name}": f"sp.a{name}({{0}})" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name: f"sp.Function('{name}')({{0}})" for name in ("norm", "global_norm")},
    **{name: f"sp.Function('{name}')({{0}}, {{1}})" for name in ("dot", "cosine_sim")},
    "abs": "sp.Abs({0})",
    "log": "sp.log(sp.Abs({0}))",
    "log2": "sp.log(sp.Abs({0}), 2)",
    "log10": "sp.log(sp.Abs({0}), 10)",
    "log1p": "sp.log(sp.Abs(1 + {0}))",
    "sqrt": "sp.sqrt(sp.Abs({0}))",
    "square": "({0}) ** 2",
    "cube": "({0}) ** 3",
    "cbrt": "sp.sign({0}) * sp.Abs({0}) ** sp.Rational(1, 3)",
    "exp2": "2 ** ({0})",
    "exp10": "10 ** ({0})",
    "expm1": "sp.exp({0}) - 1",
    "power": "({0}) ** ({1})",
    "maximum": "sp.Max({0}, {1})",
    "minimum": "sp.Min({0}, {1})",
    "clip": "{0} * sp.Min(1, {1} / sp.Function('global_norm')({0}))",
    "get_e": "sp.E",
}
_TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "torch": _TORCH,
    "torch_foreach": {name: f"torch._foreach_{call}" for name, call in _FOREACH.items()},
    "keras": _KERAS,
    "sympy": _SYMPY,
})  # fmt: skip


def codes_of(name: str) -> dict[str, str]:
    """The code of a function by the name of the target."""
    return {target: table[name] for target, table in _TABLES.items() if name in table}
