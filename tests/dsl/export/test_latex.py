"""Programs as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lion_search.dsl.arrays import ArrayDomain, step
from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.export.latex import to_equations, to_latex
from lion_search.dsl.functions import BUILT_IN, EPSILON, FUNCTIONS, Type
from lion_search.dsl.library import library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Argument, Program, Statement, make_program
from lion_search.dsl.text import parse

LION = r"""\begin{align*}
  u &\leftarrow (1 - 0.9) \, g + 0.9 \, m \\
  u &\leftarrow \operatorname{sign}(u) \\
  m &\leftarrow (1 - 0.99) \, g + 0.99 \, m \\
  \mathrm{wd} &\leftarrow 1 \, w \\
  u &\leftarrow u + \mathrm{wd} \\
  \eta &\leftarrow 0.0001 \, \eta \\
  u &\leftarrow \eta \, u \\
  w &\leftarrow w - u
\end{align*}
"""


def equations(body: str, states: str = "m, ") -> str:
    """The equations of a program given by its body, without those of the environment."""
    text = to_equations(parse(f"def train(w, g, {states}lr):\n {body}\n"))
    return "; ".join(line.strip().removesuffix(r" \\") for line in text.splitlines()[1:-1])


def test_lion_reads_like_this():
    assert to_latex(library_program("lion")) == LION


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("write", [to_latex, to_equations])
def test_every_function_has_a_form_with_balanced_braces(name: str, write: Callable[[Program], str]):
    row = FUNCTIONS[name]
    args = tuple("lr" if widest is Type.SCALAR else "g" for widest in row.parameters)
    text = write(make_program((), (Statement("update", name, args),)))
    body = re.split(r"&\\leftarrow|&=", text)[1]
    assert text.count("{") == text.count("}")
    assert not row.arity or "g" in body


def test_what_is_not_plain_is_explained_where_it_is_used():
    assert to_latex(library_program("adamw")).startswith("% \\epsilon = 1e-08\n")
    assert "epsilon" not in to_latex(library_program("lion"))
    assert "% clip(x, c) = x min(1, c / ||x||)\n" in to_equations(library_program("lion_clip"))


def test_negative_and_tiny_constants_and_indexed_names():
    program = parse("def train(w, g, lr):\n    x12 = g * -0.5\n    sigma = x12 * 2e-08\n    return sigma\n")
    text = to_latex(program)
    assert r"x_{12} &\leftarrow (-0.5) \, g" in text
    assert r"\sigma &\leftarrow 2 \cdot 10^{-8} \, x_{12}" in text
    assert "u_t &= 10^{-8} \\, g_t" in equations("update = g * 1e-08\n return update", "")


def test_constants_have_the_digits_of_float32():
    assert "0.00021717617" in equations("update = g * 0.0002171761734643951\n return update", "")


def test_roles_have_letters_unless_the_program_uses_them_otherwise():
    text = to_latex(parse("def train(w, g, momentum, lr):\n m = g + momentum\n return m, momentum\n"))
    assert r"m &\leftarrow g + \mathrm{momentum}" in text
    text = to_latex(
        parse("def train(w, g, momentum2, lr):\n update = g + momentum2\n return update, update\n")
    )
    assert r"u &\leftarrow g + m_2" in text


def test_states_that_are_returned_under_another_name_are_assigned():
    program = Program(("m",), (Statement("update", "sign", ("m",)),), ("update", "g"))
    assert r"m &\leftarrow g" in to_latex(program)


def test_what_would_be_overwritten_too_early_is_assigned_at_once():
    swap = parse("def train(w, g, m, v, lr):\n update = m - v\n return update, v, m\n")
    assert r"(m, v, w) &\leftarrow (v, m, w - u)" in to_latex(swap)
    late = parse("def train(w, g, m, lr):\n return m, g\n")
    assert r"(m, w) &\leftarrow (g, w - m)" in to_latex(late)


def test_weights_that_are_overwritten_are_another_variable():
    program = parse("def train(w, g, lr):\n w = w * 0.5\n update = w * square(w)\n return update\n")
    assert r"\tilde{w} &\leftarrow 0.5 \, w" in to_latex(program)
    assert r"\hat{w}_t &= 0.5 \, w_{t-1}" in to_equations(program)


EQUATIONS = {
    "an update of a state and a state of the old one": (
        "update = sign(interp(g, m, 0.9)) + w * 0.1\n m = interp(g, m, 0.99)\n return update, m",
        (
            r"u_t &= \operatorname{sign}((1 - 0.9) \, g_t + 0.9 \, m_{t-1}) + 0.1 \, w_{t-1}; "
            r"m_t &= (1 - 0.99) \, g_t + 0.99 \, m_{t-1}; w_t &= w_{t-1} - u_t"
        ),
    ),
    "redundant states are left out": (
        "x = g + w\n m = x * m\n return x, m",
        "u_t &= g_t + w_{t-1}; w_t &= w_{t-1} - u_t",
    ),
    "the gradient replaced": (
        "g = tanh(g)\n update = g / (abs(g) + m)\n m = m + abs(g) * 0.5\n return update, m",
        (
            r"\hat{g}_t &= \tanh(g_t); "
            r"u_t &= \frac{\hat{g}_t}{\lvert \hat{g}_t \rvert + m_{t-1} + \epsilon}; "
            r"m_t &= m_{t-1} + 0.5 \, \lvert \hat{g}_t \rvert; w_t &= w_{t-1} - u_t"
        ),
    ),
    "differences keep what they subtract together": (
        "update = m - (g - w)\n m = g - (m + w)\n return update, m",
        r"u_t &= m_{t-1} - (g_t - w_{t-1}); m_t &= g_t - (m_{t-1} + w_{t-1}); w_t &= w_{t-1} - u_t",
    ),
    "signs": (
        "update = g + -m\n m = -(g + m)\n return update, m",
        "u_t &= g_t + (-m_{t-1}); m_t &= -(g_t + m_{t-1}); w_t &= w_{t-1} - u_t",
    ),
    "powers": (
        "update = square(cube(g) * sin(m)) * (lr * 2.0)\n m = square(m + g)\n return update, m",
        r"u_t &= 2 \, \eta_t \, (g_t^3 \, \sin(m_{t-1}))^2; m_t &= (m_{t-1} + g_t)^2; w_t &= w_{t-1} - u_t",
    ),
    "roots of what is never negative have no bars": (
        "m = interp(square(g), m, 0.9)\n update = sqrt(m) * sqrt(g)\n return update, m",
        (
            r"m_t &= (1 - 0.9) \, g_t^2 + 0.9 \, m_{t-1}; u_t &= \sqrt{m_t} \, \sqrt{\lvert g_t \rvert}; "
            "w_t &= w_{t-1} - u_t"
        ),
    ),
    "states that are inputs": ("return m, g", "m_t &= g_t; w_t &= w_{t-1} - m_{t-1}"),
}


@pytest.mark.parametrize("what", EQUATIONS)
def test_equations_read_like_this(what: str):
    body, expected = EQUATIONS[what]
    text = equations(body)
    assert text.removeprefix(r"\begin{align*}; ") == expected


# ---- Equations evaluated on one weight: with a little translation they are Python, which binds alike.

_FUNCTIONS = {
    "e": np.e,
    "pi": np.pi,
    "frac": lambda a: lambda b: a / b,
    "magnitude": np.abs,
    "inner": lambda a, b: a * b,
    "max": np.maximum,
    "min": np.minimum,
    "clip": lambda x, c: x * np.minimum(1, c / np.abs(x)) if x else x,
    "cosine_sim": lambda x, y: x * y / (np.abs(x) * np.abs(y)),
    "const": np.float64,
    **{f: getattr(np, f) for f in ("log", "log2", "log10")},
    "log_abs": lambda x: np.log(np.abs(x)),
    "log2_abs": lambda x: np.log2(np.abs(x)),
    "log10_abs": lambda x: np.log10(np.abs(x)),
    **{f: getattr(np, f) for f in ("sign", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f: getattr(np, f) for f in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
}
_VARIABLE = r"((\\(hat|tilde|bar)\{)?(\\eta|\\mathrm\{[^}]*\}|[a-z])\}?)_(\{[^}]*\}|t)"
_TOKENS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\\operatorname\{(.*?)\}", lambda m: m[1].replace(r"\_", "_")),
    (_VARIABLE, lambda m: f"values[{m[0]!r}]"),
    (r"\\log(_(2|\{10\}))? (\\left)?\\lvert", lambda m: f"log{(m[2] or '').strip('{}')}_abs("),
    (r"\\log(_(2|\{10\}))?", lambda m: f"log{(m[2] or '').strip('{}')}"),
    (r"\\sqrt\[3\]", lambda m: "cbrt"),
    (r"\\[lr][Vv]ert(_\{\\mathrm\{array\}\})?", lambda m: "magnitude(" if m[0][1] == "l" else ")"),
    (r"\\langle", lambda m: "inner("),
    (r"\\rangle", lambda m: ")"),
    (r"\\epsilon", lambda m: repr(EPSILON)),
    (r"\\(left|right)", lambda m: ""),
    (r" \\, | \\cdot ", lambda m: " * "),
    (r"\\([a-z]+)", lambda m: m[1]),
    (r"\d+(\.\d+)?", lambda m: f"const({m[0]})"),
    (r"\^", lambda m: "**"),
    (r"\{", lambda m: "("),
    (r"\}", lambda m: ")"),
)


def _python(tex: str) -> str:
    result = ""
    while tex:
        found = ((re.match(pattern, tex), build) for pattern, build in _TOKENS)
        match, text = next(((m, build(m)) for m, build in found if m is not None), (None, tex[0]))
        result, tex = result + text, tex[match.end() if match else 1 :]
    return result


def _evaluated(text: str, values: dict[str, np.float64]) -> None:
    """Adds what stands on the left of each equation to the values."""
    for line in text[text.index("align*}") + 8 : text.index(r"\end")].split(r"\\" + "\n"):
        left, right = line.strip().split(" &= ")
        values[left] = eval(_python(right), {**_FUNCTIONS, "values": values})


def _rounded(program: Program) -> Program:
    def rounded(args: tuple[Argument, ...]) -> tuple[Argument, ...]:
        return tuple(a if isinstance(a, str) else round_to_float32(a) for a in args)

    statements = tuple(replace(s, args=rounded(s.args)) for s in program.statements)
    return replace(program, statements=statements, outputs=rounded(program.outputs))


def _compare(program: Program) -> int:
    """How many numbers of one step, from arbitrary inputs, agree."""
    w, g, *states = map(np.float64, (0.7, -1.3, 0.3, 0.2, 0.6)[: 2 + len(program.states)])
    values = {"w_{t-1}": w, "g_t": g, r"\eta_t": np.float64(0.4)}
    values |= {f"{s}_{{t-1}}": v for s, v in zip(program.states, states, strict=True)}
    weights, gradient, *old = ((np.array([v]),) for v in (w, g, *states))
    text = to_equations(program)
    with np.errstate(all="ignore"):
        domain = ArrayDomain(np, ((1,),), np.float64)
        update, new = step(program, domain, weights, gradient, tuple(old), 0.4)
        _evaluated(text, values)
    wanted = np.array([w - update[0][0], *(leaf[0] for (leaf,) in new)])
    found = np.array([values["w_t"], *(values[f"{s}_t"] for s in program.states)])
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=1e-6, err_msg=text)
    return int(finite.sum())


def test_equations_mean_what_the_program_means(evolved: list[Program], known_programs: dict[str, Program]):
    programs = [_rounded(prune(p)) for p in (*known_programs.values(), *evolved)]
    assert sum(map(_compare, programs)) > 100
