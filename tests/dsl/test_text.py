"""Programs as text: what is printed is read back; what cannot be read is an error with line and column."""

import builtins
import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import MAX_STATEMENTS, MAX_TEXT_BYTES, format_program, parse
from lion_search.dsl.types import check


def _body(*lines: str, header: str = "w, g, m, lr", returned: str = "update, m") -> str:
    """The text of a program with these statements, the first of them on line 2 from column 5."""
    return "\n".join([f"def train({header}):", *(f"    {s}" for s in (*lines, f"return {returned}")), ""])


GOOD = "update = sin(w)"


def _statements(*lines: str) -> tuple[Statement, ...]:
    return parse(_body(*lines, "update = g * 1.0")).statements[:-1]


def _error(text: str) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        parse(text, "my.py")
    return caught.value


# ---- what is printed is read back


def test_an_evolved_program_is_read_back_as_it_was(evolved: list[Program]):
    for program in evolved:
        assert parse(format_program(program)) == program


def test_every_kind_of_argument_is_read_back():
    """Constants of all sizes and signs, infix and not; functions without arguments; constants returned."""
    numbers = (0.0, -0.5, 1e-45, -3.4028234663852886e38, 123456792.0, 1e22, 0.1)
    statements = [
        *(Statement(f"a{i}", "multiply", (x, "g")) for i, x in enumerate(numbers)),
        *(Statement(f"b{i}", "divide", ("w", x)) for i, x in enumerate(numbers)),
        *(Statement(f"c{i}", "subtract", (x, -x)) for i, x in enumerate(numbers)),
        *(Statement(f"d{i}", "negative", (x,)) for i, x in enumerate(numbers)),
        Statement("t1", "interp", ("w", -0.25, "lr")),
        Statement("sin", "get_pi", ()),
        Statement("update", "power", ("sin", -2.0)),
    ]
    program = Program(("m",), tuple(statements), ("update", -1.5))
    assert parse(format_program(program)) == program


def test_any_number_of_states_is_read_back():
    for states in ((), ("m",), tuple(f"state_{i}" for i in range(7))):
        program = Program(states, (Statement("update", "sign", ("g",)),), ("update", *states))
        assert parse(format_program(program)) == program


# ---- what may be written


def test_nested_expressions_are_unfolded_from_left_to_right():
    assert _statements("a = sin(w + 1.0) * cos(g)") == (
        Statement("t2", "add", ("w", 1.0)),
        Statement("t1", "sin", ("t2",)),
        Statement("t3", "cos", ("g",)),
        Statement("a", "multiply", ("t1", "t3")),
    )


def test_python_decides_the_precedence():
    assert _statements("a = w - g * 2.0 - m") == _statements("a = (w - (g * 2.0)) - m")


def test_a_temporary_takes_no_name_of_the_program():
    """Whether it is used before or only after the nested expression, or is a state."""
    text = "def train(w, g, t2, lr):\n    update = sin(w + g)\n    t1 = cos(g)\n    return update, t1\n"
    targets = [s.target for s in parse(text).statements]
    assert targets == ["t3", "update", "t1"]


def test_a_copy_is_a_product_with_one():
    assert _statements("a = g", "b = -2") == (
        Statement("a", "multiply", ("g", 1.0)),
        Statement("b", "multiply", (-2.0, 1.0)),
    )


def test_signs_before_numbers_are_part_of_them():
    assert _statements("a = w * -0.5", "b = interp(w, g, +0.5)", "c = sin(-3)") == (
        Statement("a", "multiply", ("w", -0.5)),
        Statement("b", "interp", ("w", "g", 0.5)),
        Statement("c", "sin", (-3.0,)),
    )


def test_a_minus_before_anything_else_is_negative():
    assert _statements("a = -w", "b = w * -g", "c = --0.5") == (
        Statement("a", "negative", ("w",)),
        Statement("t1", "negative", ("g",)),
        Statement("b", "multiply", ("w", "t1")),
        Statement("c", "negative", (-0.5,)),
    )


def test_an_operator_may_be_written_as_a_function():
    assert _statements("a = add(w, g)", "b = divide(w, g)") == _statements("a = w + g", "b = w / g")


def test_comments_docstrings_blank_lines_and_layout_are_allowed():
    text = '''# coding: rot13

"""A module's docstring."""
def train(w, g, m, lr):  # the header
    """A function's docstring."""

    # a comment
    update = interp(
        g, m,
        0.9,
    ); m = (update)
    return (update, m)  # the end
'''
    statements = (Statement("update", "interp", ("g", "m", 0.9)), Statement("m", "multiply", ("update", 1.0)))
    assert parse(text) == Program(("m",), statements, ("update", "m"))


def test_windows_line_ends_are_allowed():
    text = _body("update = sin(w)", "m = g")
    assert parse(text.replace("\n", "\r\n")) == parse(text)


def test_a_byte_order_mark_is_no_part_of_a_program():
    assert parse("\ufeff" + _body(GOOD)) == parse(_body(GOOD))


LION = parse(
    _body(
        *("update = interp(g, m, 0.9)", "update = sign(update)", "m = interp(g, m, 0.99)"),
        *("update = update + w", "update = update * lr"),
    )
)


@pytest.mark.parametrize(
    ("header", "weights", "gradient", "rate"),
    [
        ("weight, gradient, m, lr", "weight", "gradient", "lr"),
        ("params, m, grads, learning_rate", "params", "grads", "learning_rate"),
        ("w: Params, m: Params, g: Params, lr: float", "w", "g", "lr"),
        ("lr, g, w, /, *, m", "w", "g", "lr"),
    ],
)
def test_inputs_are_known_by_their_names(header: str, weights: str, gradient: str, rate: str):
    """As in the paper's Program 1 and the authors' release, in any order, annotated or not."""
    lines = (f"update: Params = interpolate({gradient}, m, b1)", "update = sign(update)")
    more = (f"m = interp({gradient}, m, 0.99)", f"update += {weights}", f"update *= {rate}")
    joined = header if header.endswith("*, m") else f"{header}, *"
    assert parse(_body(*lines, *more, header=f"{joined}, b1=0.9", returned="(update, m)")) == LION


def test_an_input_of_its_own_name_comes_first():
    """Other names of an input are then names like any other, as in programs that were found."""
    assert parse(_body(header="w, g, gradient, params, lr", returned="g, w, g")).states == (
        "gradient",
        "params",
    )


def test_a_constant_of_the_header_is_a_number_until_it_is_assigned():
    text = _body("a = -b * b", "b = w * b", "update = b + g", header="w, g, m, lr, b=2")
    assert parse(text) == parse(_body("a = -2 * 2", "b = w * 2", "update = b + g"))


def test_functions_have_their_names_of_the_release_too():
    text = ("a = interpolate(w, g, 0.5)", "a = clip_by_global_norm(g, 1)", "a = max(w, g)", "a = min(w, g)")
    ours = ("a = interp(w, g, 0.5)", "a = clip(g, 1)", "a = maximum(w, g)", "a = minimum(w, g)")
    assert _statements(*text) == _statements(*ours)


def test_an_expression_may_be_returned():
    assert parse(_body(returned="[-g, m * 0.5]")) == Program(
        ("m",),
        (Statement("t1", "negative", ("g",)), Statement("t2", "multiply", ("m", 0.5))),
        ("t1", "t2"),
    )


def test_any_known_variable_or_number_may_be_returned():
    assert parse(_body("a = sin(w)", returned="a, 0.5")).outputs == ("a", 0.5)
    assert parse(_body(returned="g, m")).outputs == ("g", "m")


# ---- what may not be written: (text, line, column, part of the message)

ERRORS = [
    # not Python
    ("", 1, 1, "found nothing"),
    (_body("update = sin(w"), 2, 17, "'(' was never closed"),
    (_body("update = w +", GOOD), 2, 17, "not Python: invalid syntax"),
    (_body(GOOD, "  m = w"), 3, 6, "unexpected indent"),
    (_body("update = 'a"), 2, 14, "unterminated string"),
    (_body("update = w + " + "9" * 5000), 2, 1, "4300 digits"),
    # no function `train`, or more than that
    ("update = w\n", 1, 1, "expected 'def train(w, g, ...states, lr):', found Python's Assign"),
    ("def trane(w, g, lr):\n    return w\n", 1, 1, "expected 'def train"),
    ("async def train(w, g, lr):\n    return w\n", 1, 1, "found Python's AsyncFunctionDef"),
    ("class train:\n    pass\n", 1, 1, "found Python's ClassDef"),
    ("import os\n" + _body(GOOD), 1, 1, "found Python's Import; leave it out"),
    ("b = 0.9\n" + _body(GOOD), 1, 1, "a constant stands in the header"),
    (_body(GOOD) + "import os\n", 4, 1, "expected nothing after train, found Python's Import"),
    ("@staticmethod\n" + _body(GOOD), 1, 2, "decorators are not allowed"),
    # the header
    (
        _body(GOOD, header="w, m, lr"),
        1,
        1,
        "the header train(w, g, ...states, lr), found (w, m, lr); missing: g, the gradient",
    ),
    (_body(GOOD, header="w, g, m"), 1, 1, "missing: lr, the schedule's value"),
    (_body(GOOD, header="w, m, v, gradient"), 1, 1, "found (w, m, v, gradient); missing: lr"),
    (_body(GOOD, header="w, g"), 1, 1, "expected the header"),
    (_body(GOOD, header=""), 1, 1, "missing: w, the weights, g, the gradient, lr"),
    (_body(GOOD, header="w, g, m, lr=0.1"), 1, 23, "as in lr = lr * 0.1"),
    (_body(GOOD, header="w, g, lr, m=0"), 1, 23, "leave out the default of 'm': a state begins at zero"),
    (_body(GOOD, header="w, g, lr, m=None"), 1, 23, "a number as the default of 'm', a constant"),
    (_body(GOOD, header="w, g, *m, lr"), 1, 1, "expected the header"),
    (_body(GOOD, header="w, g, m, lr, **more"), 1, 1, "each state by a name of its own"),
    (_body("w = g", header="weight, g, m, lr"), 1, 1, "'w' stands for 'weight' here"),
    (_body(GOOD, header="w, g, m, m, lr"), 1, 20, "'m' cannot be a state's name here"),
    (_body(GOOD, header="w, g, w, lr"), 1, 17, "'w' cannot be a state's name here"),
    (_body(GOOD, header="w, g, lr, lr"), 1, 21, "'lr' cannot be a state's name here"),
    (_body(GOOD, header="w, g, update, lr"), 1, 17, "'update' cannot be a state's name here"),
    # what is returned
    ("def train(w, g, lr):\n    update = sin(w)\n", 2, 5, "expected a last line 'return update, ...states'"),
    ('def train(w, g, lr):\n    "nothing"\n', 1, 1, "expected a last line"),
    (_body(GOOD, returned="update"), 3, 5, "expected 'return update, m': 2 values, found 1"),
    (_body(GOOD, returned="update, m, m"), 3, 5, "2 values, found 3"),
    (_body(GOOD, returned=""), 3, 5, "2 values, found 0"),
    (_body(GOOD, returned="{update, m}"), 3, 5, "2 values, found 1"),
    (_body(GOOD, returned="update, foo(m)"), 3, 20, "unknown function 'foo'"),
    (_body(GOOD, returned="update, v"), 3, 20, "unknown variable 'v'"),
    (_body(GOOD, "return update, m", "m = g"), 3, 5, "found Python's Return"),
    # statements
    (_body(GOOD, "sin(w)"), 3, 5, "expected 'variable = function(arguments)', found Python's Expr"),
    (_body(GOOD, "'text'"), 3, 5, "found Python's Expr"),
    (_body(GOOD, "m **= 2"), 3, 5, "write square(m)"),
    (_body(GOOD, "m: float"), 3, 5, "found Python's AnnAssign"),
    (_body(GOOD, "m = v = w"), 3, 5, "found Python's Assign; assign one variable a line"),
    (_body(GOOD, "m, v = w, g"), 3, 5, "found Python's Tuple; assign one variable a line"),
    (_body(GOOD, "m[0] = w"), 3, 5, "expected a variable's name, found Python's Subscript"),
    (_body(GOOD, "m.x = w"), 3, 5, "expected a variable's name, found Python's Attribute"),
    (_body(GOOD, "if w: m = g"), 3, 5, "found Python's If; there are no branches"),
    (_body(GOOD, "del m"), 3, 5, "found Python's Delete"),
    # functions
    (_body("update = sine(w)"), 2, 14, "unknown function 'sine'; did you mean 'sin'?"),
    (_body("update = w + gloabl_norm(g)"), 2, 18, "did you mean 'global_norm'?"),
    (_body("update = zzzzz(w)"), 2, 14, "unknown function 'zzzzz'"),
    (_body("update = sin(w, g)"), 2, 14, "sin takes 1 argument, found 2"),
    (_body("update = interp(w, g)"), 2, 14, "interp takes 3 arguments, found 2"),
    (_body("update = get_pi(w)"), 2, 14, "get_pi takes 0 arguments, found 1"),
    (_body("update = sin(x=w)"), 2, 14, "sin takes plain arguments only"),
    (_body("update = sin(*w)"), 2, 14, "sin takes plain arguments only"),
    (_body("update = sin(**w)"), 2, 14, "sin takes plain arguments only"),
    (_body("update = jnp.sin(w)"), 2, 14, "functions have no module before them: write sin for jnp.sin"),
    (_body("update = np.sine(w)"), 2, 14, "unknown function 'np.sine'; did you mean 'sin'?"),
    (_body("update = w * math.pi"), 2, 18, "write get_pi() for math.pi"),
    (
        _body("update = clip(g, -1, 1)"),
        2,
        14,
        "clip takes 2 arguments, found 3 (x * min(1, c / global_norm(x)))",
    ),
    (_body("update = (lambda: w)()"), 2, 14, "found Python's Call"),
    (_body("update = w ** 2"), 2, 14, "expected one of + - * /, found **; write square(w)"),
    (_body("update = (w - g) ** 3.0"), 2, 14, "write cube(w - g)"),
    (_body("update = 2 * g ** 0.5"), 2, 18, "write sqrt(g)"),
    (_body("update = g ** -m"), 2, 14, "write power(g, -m)"),
    (_body("update = w @ g"), 2, 14, "found Python's MatMult; dot(x, y)"),
    (_body("update = w < g"), 2, 14, "found Python's Compare; there are no branches and comparisons"),
    (_body("update = lambda * g"), 2, 24, "lambda is a word of Python's"),
    (_body("update = interp(g, m, beta1)"), 2, 27, "or in the header, as in beta1=0.9"),
    (_body("update = ~w"), 2, 14, "found Python's UnaryOp"),
    (_body("update = w if g else m"), 2, 14, "found Python's IfExp"),
    (_body("update = sin(w := g)"), 2, 18, "found Python's NamedExpr"),
    (_body("update = sin(f'{w}')"), 2, 18, "found Python's JoinedStr"),
    (_body("update = [w for w in g]"), 2, 14, "found Python's ListComp"),
    # variables
    (_body("update = sin(v)"), 2, 18, "unknown variable 'v'; known here: g, lr, m, w"),
    (_body("momentum = sin(w)", "update = w + momentun"), 3, 18, "did you mean 'momentum'?"),
    (_body("update = a + w", "a = sin(w)"), 2, 14, "unknown variable 'a'"),
    (_body("update = sin(update)"), 2, 18, "unknown variable 'update'"),
    (_body("é = 1", "é = foo(w)"), 3, 9, "unknown function 'foo'"),
    ("# a\u2028b\n" + _body("update = sin(w) + cos(w) + foo(w)"), 3, 32, "unknown function 'foo'"),
    ("# a\x0cb\n" + _body("update = sin(w) + cos(w) + foo(w)"), 3, 32, "unknown function 'foo'"),
    # constants
    (_body("update = w * 1e39"), 2, 18, "a constant must be at most 3.4028234663852886e+38 in size"),
    (_body("update = w * -1e999"), 2, 19, "a constant must be at most"),
    (_body("update = w * 0x" + "f" * 5000), 2, 18, "a constant must be at most"),
    (_body("update = 'text'"), 2, 14, "expected a number, found str 'text'"),
    (_body("update = sin(True)"), 2, 18, "expected a number, found bool 'True'"),
    (_body("update = sin(None)"), 2, 18, "expected a number, found NoneType 'None'"),
    (_body("update = w + 1j"), 2, 18, "expected a number, found complex '1j'"),
    (_body("update = w + ..."), 2, 18, "expected a number, found ellipsis 'Ellipsis'"),
    # types
    (
        _body(GOOD, "m = interp(w, g, m)"),
        3,
        9,
        "argument 3 of interp must be a scalar, found a tree",
    ),
    (
        _body(GOOD, "m = sin(clip(w, norm(g)))"),
        3,
        13,
        "argument 2 of clip must be a scalar, found one number per",
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), ERRORS)
def test_an_error_says_what_is_wrong_and_where(text: str, line: int, column: int, message: str):
    error = _error(text)
    assert message in error.message
    assert (error.source, error.line, error.column) == ("my.py", line, column)
    assert str(error) == f"my.py, line {line}, column {column}: {error.message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_body("update = sin(w)\0"), "null bytes"),
        (_body("update = \ud800"), "surrogates"),
        (_body(GOOD, "m = " + "-" * 3000 + "w"), "nested too deeply"),
        (_body(GOOD, "m = " + "w + " * 3000 + "w"), "nested too deeply"),
        (_body(GOOD, "m = w" + ".w" * 3000), "nested too deeply"),
        (_body(GOOD, "m = " + "sin(" * 190 + "w" + ")" * 190 + " + w" * 900), "nested too deeply"),
    ],
)
def test_what_python_itself_gives_up_on_is_an_error_somewhere(text: str, message: str):
    """Where Python's parser does not say, any line and column will do."""
    error = _error(text)
    assert message in error.message
    assert (error.line or 0) >= 1
    assert (error.column or 0) >= 1


def test_text_over_a_megabyte_is_refused():
    comment = "#" * (MAX_TEXT_BYTES - len(_body(GOOD)))
    assert parse(_body(GOOD) + comment) == parse(_body(GOOD))
    assert "text of 1,000,001 characters; at most 1,000,000" in _error(_body(GOOD) + comment + "#").message


def test_ten_thousand_statements_are_read_and_one_more_is_refused():
    """Statements are counted after unfolding; the error points at the first that is too many."""
    assert MAX_STATEMENTS == 10_000
    lines = ["update = w + g"] * MAX_STATEMENTS
    assert len(parse(_body(*lines)).statements) == MAX_STATEMENTS
    error = _error(_body(*lines[:-1], "update = sin(w + g)"))
    assert "more than 10,000 statements" in error.message
    assert (error.line, error.column) == (MAX_STATEMENTS + 1, 14)


def test_an_error_is_short_however_large_the_program():
    """It names no thousand variables, and no thousand states."""
    many = [f"x{i}" for i in range(5000)]
    unknown = _body(*(f"{x} = w + g" for x in many), "update = sin(qqqqqqqqqqqq)")
    too_few = _body(GOOD, header=f"w, g, {', '.join(many)}, lr", returned="update")
    for text in (unknown, too_few):
        assert len(str(_error(text))) < 1000


def test_python_does_not_warn_about_what_is_read():
    """An invalid escape in a docstring is a warning of the compiler's, for code that would run."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse('def train(w, g, lr):\n    "\\d"\n    return w\n')


# ---- nothing is ever executed, and nothing but ProgramError is raised

HOSTILE = [
    "@boom(1)\n{}",
    "boom(1)\n{}",
    "{}boom(1)\n",
    "import boom\n{}",
    "def train(w, g, m=boom(1), lr=2):\n    return w\n",
    "def train(w: boom(1), g, lr) -> boom(2):\n    return w\n",
    "class train(metaclass=boom):\n    pass\n",
    _body("update = boom(w)"),
    _body("update = sin(boom(w))"),
    _body("update = boom"),
    _body("boom(w)", GOOD),
    _body("w[boom(1)] = 1.0", GOOD),
    _body("update = f'{boom(1)}'"),
    _body("update = [boom(1) for _ in w]"),
    _body("update = __import__('boom')"),
    _body("update = eval('boom(1)')"),
    _body("exec('boom(1)')", GOOD),
    _body(GOOD, returned="update, boom(1)"),
]


@pytest.fixture
def bombs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Whatever calls ``boom``, ``eval`` or ``exec``, or imports ``boom``, ends up in this list."""
    called: list[Any] = []
    (tmp_path / "boom.py").write_text("import builtins\nbuiltins.boom('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "boom", called.append, raising=False)
    monkeypatch.setattr(builtins, "eval", called.append)
    monkeypatch.setattr(builtins, "exec", called.append)
    return called


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_never_executed(text: str, bombs: list[Any]):
    with contextlib.suppress(ProgramError):
        parse(text.replace("{}", _body(GOOD)))
    assert bombs == []


def _is_program_or_error(text: str) -> None:
    """The one promise about any text at all."""
    try:
        program = parse(text)
    except ProgramError as caught:
        error = caught
    else:
        check(program)
        assert parse(format_program(program)) == program
        return
    assert 1 <= (error.line or 0) <= text.count("\n") + text.count("\r") + 2
    assert (error.column or 0) >= 1


WORDS = """
    return update w g m lr v1 = + - * / ( ) , sin interp clip norm get_pi 0.9 -1 1e999 nan inf ' \" # \\ é
    True     lambda: [ ] { } : ; @ ** . if else for in await yield import del 0x 1_0 1j := ~ ... _
"""
TOKENS = (
    *WORDS.split(),
    *(
        " = ",
        " + ",
        ", ",
        "\n",
        "\n    ",
        "\n    return ",
        "def train(w, g, m, lr):\n    ",
        '"""',
        "import os\n",
    ),
    *("\0", "\t", "\r", "\x0c", "\ud800", "\ufeff"),
)


@given(st.text(max_size=200))
def test_random_text_gives_a_program_or_an_error(text: str):
    _is_program_or_error(text)


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_random_tokens_give_a_program_or_an_error(text: str):
    _is_program_or_error(text)


@given(data=st.data())
def test_a_damaged_program_gives_a_program_or_an_error(data: st.DataObject, evolved: list[Program]):
    """A few pieces are cut out, repeated, or replaced by tokens and characters."""
    text = format_program(data.draw(st.sampled_from(evolved)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        middle = data.draw(
            st.one_of(st.sampled_from(TOKENS), st.text(max_size=3), st.just(text[start:end] * 2))
        )
        text = text[:start] + middle + text[end:]
    _is_program_or_error(text)


@given(data=st.data())
def test_a_program_with_other_names_gives_a_program_or_an_error(data: st.DataObject, evolved: list[Program]):
    """Words are exchanged for words of the same kind, so that many programs stay valid."""
    words = format_program(data.draw(st.sampled_from(evolved))).split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(words))
    _is_program_or_error(" ".join(words))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: "(" * n,
        lambda n: _body("update = " + "-" * n + "w"),
        lambda n: _body("update = " + "w+" * (n // 2) + "w"),
        lambda n: _body("update = w" + "()" * (n // 2)),
        lambda n: "lambda:" * (n // 7),
        lambda n: "x if x else " * (n // 12),
        lambda n: "f'{" * (n // 3),
        lambda n: "\n" * n,
    ],
)
def test_the_largest_texts_are_read_or_refused_like_any_other(make: Callable[[int], str]):
    """None of them crashes Python."""
    text = make(MAX_TEXT_BYTES - 1000)
    assert MAX_TEXT_BYTES // 2 < len(text) <= MAX_TEXT_BYTES
    _is_program_or_error(text)


@pytest.mark.parametrize("num_states", [1_000, pytest.param(60_000, marks=pytest.mark.large)])
def test_a_header_of_many_states_is_read(num_states: int):
    """Up to the largest text there may be."""
    states = ", ".join(f"s{i}" for i in range(num_states))
    program = parse(f"def train(w, g, {states}, lr):\n    return w, {states}\n")
    assert len(program.states) == num_states
