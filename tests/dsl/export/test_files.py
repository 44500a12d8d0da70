"""The files of all exports: linted, type-checked, in need of nothing of ours, under any name."""

import ast
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from dsl_programs import written
from exported import load, text_of

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.about import About, comments_of
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse

os.environ["KERAS_BACKEND"] = "jax"  # before a file imports keras

CODE = [name for name in EXPORTS if name not in ("latex", "text")]
NEEDS = {
    "optax": {"jax", "optax"}, "torch": {"torch"}, "keras": {"keras"}, "numpy": {"numpy"}, "sympy": {"sympy"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, evolve: Callable[[int], Program]) -> Path:
    """Files of some known programs and of some evolved ones for every target."""
    folder = tmp_path_factory.mktemp("exported")
    names = ("sgd", "adamw", "lion", "lion_clip", "paper/program5", "paper/program8")
    programs = {name.replace("/", "_"): library_program(name) for name in names}
    programs |= {f"evolved{seed}": evolve(seed) for seed in range(4)}
    for name, program in programs.items():
        for target in CODE:
            (folder / f"{name}{EXPORTS[target].suffix}").write_text(text_of(program, target, name))
    return folder


def test_files_pass_ruff(folder: Path) -> None:
    """Its default rules."""
    ruff = [Path(sys.executable).with_name("ruff"), "check", "--isolated", "--quiet", folder]
    done = subprocess.run(ruff, check=False, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "flags",
    [("--follow-imports=skip", "--check-untyped-defs"), pytest.param((), marks=pytest.mark.large)],
    ids=["without imports", "with imports"],
)
def test_files_pass_a_type_checker(flags: tuple[str, ...], folder: Path) -> None:
    """Also where it looks into what they import, which takes minutes."""
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nignore_missing_imports = True\n")
    mypy = [sys.executable, "-m", "mypy", f"--config-file={config}", "--no-incremental", *flags, folder]
    done = subprocess.run(mypy, check=False, capture_output=True, text=True)
    assert "Success" in done.stdout, done.stdout


def test_files_need_one_library_and_nothing_of_ours(folder: Path) -> None:
    for target in CODE:
        for path in folder.glob(f"*{EXPORTS[target].suffix}"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            found = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
            found |= {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
            assert {name.partition(".")[0] for name in found} - {"typing", "collections"} == NEEDS[target]


@pytest.mark.parametrize("target", EXPORTS)
def test_a_file_says_where_it_comes_from(target: str) -> None:
    """Whatever it is told, which is no code there."""
    odd = '"""quotes""", a \\ and\n a line; {braces} % # é"'
    text = EXPORTS[target].write(library_program("lion"), About("lion", odd, (odd, "seed 3")))
    assert "seed 3" in text
    if target in CODE:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(text, "lion.py", "exec")
        assert "seed 3" in (ast.get_docstring(ast.parse(text)) or "")


def test_text_is_read_back() -> None:
    """With what is said of it, which further exports say again."""
    notes = ("cosine, warm-up " * 20, "three")
    for name in LIBRARY:
        text = EXPORTS["text"].write(library_program(name), About(name, "Found", notes))
        assert parse(text) == prune(library_program(name))
        assert comments_of(text) == ("Found", notes[0].strip(), notes[1])


def test_sympy_has_the_update_as_an_expression() -> None:
    """With the found values it is a number."""
    sympy = pytest.importorskip("sympy")
    names = load(written("m", "m = interp(g, m, 0.75)", "update = sign(m) * square(g) * lr"), "sympy")
    numbers = {"w": 1, "g": 2, "m": 4}
    values = {s: numbers[s.name] for s in names["inputs"] if s.name in numbers} | names["defaults"]
    assert float(names["outputs"]["update"].subs(values)) == 4
    assert float(sympy.simplify(names["outputs"]["new_m"].subs(values))) == 3.5


@pytest.mark.parametrize("target", CODE)
@pytest.mark.parametrize("name", ["class", "1st", "a b", "x-y", "x\ny", "f()", "", "_hidden"])
def test_a_name_that_code_cannot_have_is_refused(target: str, name: str) -> None:
    """The message says how to give another."""
    with pytest.raises(ProgramError, match=r"cannot name a Python function.*--name"):
        text_of(library_program("lion"), target, name)


@pytest.mark.parametrize("target", ["torch", "keras", "numpy"])
@pytest.mark.parametrize("name", ["torch", "np", "ops", "params", "group", "state", "x", "p", "new", "old"])
def test_states_and_variables_may_have_any_name(target: str, name: str) -> None:
    """The file compiles, and no name hides one that it needs; of optax's see there."""
    lines = [f"{name} = interp(g, {name}, 0.5)", f"{name}_ = clip({name}, lr)", f"update = {name}_ + norm(w)"]
    for program in (written(name, *lines), written(name, lines[0], f"update = {name} + norm(w)")):
        pytest.importorskip(*NEEDS[target] - {"jax"})
        names = load(program, target)
        assert "Optimizer" in names or "optimizer" in names
