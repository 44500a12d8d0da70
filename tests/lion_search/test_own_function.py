"""A function of the user's own: in the language, in the workers, in the log and in the export.

A run is read from wherever its reader stands; the functions of a file are named by an option.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl import functions
from lion_search.proxy_tasks.baseline import load_baselines

MINE = """
from lion_search import Function, Type

softsign = Function("softsign", (Type.TREE,), None, lambda xp, x: x / (1 + xp.abs(x)),
                    jax_code="{0} / (1 + jnp.abs({0}))")
unexportable = Function("twice", (Type.TREE,), None, lambda xp, x: x + x)
wrong = Function("wrong", (Type.TREE,), None, lambda xp, x: x + x, jax_code="{0} * 3")
number = 3
"""
START = """
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    update = softsign(m)
    update = update * 0.01
    return update, m
"""
CONFIG = """
initial: start.py
tasks: [{name: "tiny:sine"}]
functions: [interp, sign, add, multiply, "mine:softsign"]
"""


@pytest.fixture
def own_folder(tiny: Any) -> Any:
    for name, text in {"mine.py": MINE, "start.py": START, "own.yaml": CONFIG}.items():
        (tiny.folder / name).write_text(text)
    return tiny


@pytest.mark.parametrize("workers", ["inline", pytest.param("1", marks=pytest.mark.large)])
def test_a_run_uses_it_from_the_start_to_the_export(own_folder: Any, options: Any, workers: str) -> None:
    own = ("--config=own.yaml", "--set=initial=start.py", f"--set=workers={workers}")
    run = own_folder.run("r", *options.small, *own, "--quiet")
    with run.open() as store:
        assert any("softsign" in i.program for i in list(store.individuals())[1:])
    assert "softsign" in json.loads(own_folder("show", "r:0", "--json").out)["program"]
    exported = own_folder("export", "r:0", "--to", "optax").out
    assert "m / (1 + jnp.abs(m))" in exported
    assert "lion_search" not in exported.partition('"""\n\n')[2]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere:softsign", "cannot import function 'nowhere:softsign'"),
        ("mine:hardsign", "cannot import function 'mine:hardsign'"),
        ("mine:number", "'mine:number' is a int; expected a lion_search Function"),
    ],
)
def test_one_that_cannot_be_had_is_refused(
    own_folder: Any, in_folder: Callable[..., Any], reference: str, message: str
) -> None:
    call = in_folder(own_folder.folder, "mine")
    called = call("run", "--config=own.yaml", f"--set=functions=[sign, '{reference}']")
    assert called.status == 2
    assert message in called.err
    assert not (own_folder.folder / "runs").exists()


# ---- A run and its functions, read from another folder.


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_in: Callable[..., Any]) -> Path:
    """A folder with a run in it, whose function, task and search method are all of the user's own."""
    tiny = tiny_in(tmp_path_factory.mktemp("project"))
    for name, text in {"mine.py": MINE + METHOD, "start.py": START, "own.yaml": CONFIG}.items():
        (tiny.folder / name).write_text(text)
    method = "--set=search={method: 'mine:Again'}"
    tiny.run("r", *ONLY_START, "--config=own.yaml", "--quiet", "--set=workers=inline", method)
    return tiny.folder


METHOD = """
from lion_search import Choice, make_child

class Again:
    def __init__(self, start):
        self.start = start.founder

    def choose(self, index, rng, taken):
        return Choice("initial", None)

    def make(self, choice, rng):
        return make_child("initial", self.start.program)

    def apply(self, event, best_of_all):
        pass

    def best(self):
        return self.start

    def living(self):
        return [self.start]
"""
ONLY_START = (
    *("--set=budget.programs=3", "--set=selection.finalists=1", "--set=selection.validation_seeds=8"),
    *("--set=selection.test_seeds=8", "--set=simplification.how_far=redundancy"),
)


@pytest.fixture
def reader(main: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The command line in this process as if it had just been started, in a folder."""
    known = dict(functions._TABLE)

    def forget() -> None:
        importlib.invalidate_caches()
        for name in ("mine", "tiny"):
            sys.modules.pop(name, None)
        load_baselines.cache_clear()
        functions._TABLE.clear()
        functions._TABLE.update(known)
        functions._REFERENCES.clear()

    def read(folder: Path, *arguments: str | Path) -> Any:
        forget()
        monkeypatch.chdir(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))
            patch.setattr(sys, "dont_write_bytecode", True)
            return main(*arguments)

    yield read
    forget()


@pytest.mark.parametrize(
    "arguments",
    [
        "show {run}:0",
        "check {run}:0",
        "identify {run}:0",
        "export {run}:0",
        "simplify {run}:0 --only-proofs",
        "frontier {run}",
        "lineage {run}:0",
        "top {run}",
        "stats {run}",
        "evaluate {run}:0 --task tiny:sine --seeds 2 --workers inline",
        "resume {run} --quiet --set workers=inline",
        pytest.param("evaluate {run}:0 --task tiny:sine --seeds 2 --workers 1", marks=pytest.mark.large),
        pytest.param("frontier {run} --seeds 2 --workers 1", marks=pytest.mark.large),
    ],
)
def test_a_run_is_read_from_any_folder(
    project: Path, reader: Callable[..., Any], tmp_path: Path, arguments: str
) -> None:
    called = reader(tmp_path, *arguments.format(run=project / "r").split())
    assert called.status == 0, called.err
    assert "diverged" not in called.out
    assert "crashed" not in called.out


@pytest.mark.parametrize(
    "arguments",
    [
        "show {file}",
        "check {file}",
        "identify {file}",
        "export {file}",
        "simplify {file} --only-proofs",
        "evaluate {file} --task tiny:sine --seeds 2 --workers inline",
    ],
)
def test_an_option_names_the_functions_of_a_file(
    project: Path, reader: Callable[..., Any], tmp_path: Path, arguments: str
) -> None:
    for name in ("mine.py", "tiny.py", "start.py"):
        shutil.copy(project / name, tmp_path)
    words = arguments.format(file="start.py").split()
    refused = reader(tmp_path, *words)
    assert refused.status == 2
    assert "unknown function 'softsign'" in refused.err
    assert "--functions module:name" in refused.err
    called = reader(tmp_path, *words, "--functions", "mine:softsign")
    assert called.status == 0, called.err


def test_the_language_is_listed_with_it(project: Path, reader: Callable[..., Any]) -> None:
    listed = json.loads(reader(project, "functions", "--json", "--functions=mine:softsign").out)
    assert [row["name"] for row in listed][-1] == "softsign"
    assert len(listed) == 45


CHANGES = {
    "another meaning": ("x / (1 + xp.abs(x))", "x / (2 + xp.abs(x))", "made 0.5 and makes 0.333333", True),
    "another arity": ("(Type.TREE,), None, lambda xp, x: x", "(Type.TREE,) * 2, None, lambda xp, x, y: y + x",
                      "parameters was ['TREE'] and is ['TREE', 'TREE']", True),
    "another cost": ("jax_code=", "cost=3.0, jax_code=", "cost was 1.0 and is 3.0", False),
    "it is gone": ("softsign = ", "softened = ", "has no attribute 'softsign'", True),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "is_read_otherwise"), CHANGES.values(), ids=CHANGES)
def test_a_function_that_is_another_by_now_is_noticed(
    project: Path,
    reader: Callable[..., Any],
    run_in: Callable[..., Any],
    tmp_path: Path,
    old: str,
    new: str,
    message: str,
    is_read_otherwise: bool,
) -> None:
    """A run is not resumed with it; its programs are read where they still mean the same."""
    moved = _moved(project, tmp_path, run_in)
    text = (moved / "mine.py").read_text().replace(old, new)
    (moved / "mine.py").write_text(text.replace('jax_code="{0} / (1 + jnp.abs({0}))"', "jax_code=None"))
    resumed, shown = reader(moved, "resume", "r"), reader(moved, "show", "r:0")
    assert resumed.status == 2
    assert message in resumed.err
    assert "run 'r'" in resumed.err
    assert len(resumed.err.splitlines()) == 1
    assert shown.status == (2 if is_read_otherwise else 0), shown.err


def test_a_module_that_is_nowhere_is_named_with_the_run(
    project: Path, reader: Callable[..., Any], run_in: Callable[..., Any], tmp_path: Path
) -> None:
    """What needs no program's text is told all the same."""
    moved = _moved(project, tmp_path, run_in)
    shown = reader(tmp_path, "show", "moved/r:0")
    assert shown.status == 2
    assert "run 'moved/r': cannot import function 'mine:softsign'" in shown.err
    assert "its code lay in /nowhere" in shown.err
    assert len(shown.err.splitlines()) == 1
    assert reader(tmp_path, "top", "moved/r").status == 0
    assert reader(moved, "show", "r:0").status == 0


def test_a_module_here_is_meant_first_as_a_project_may_have_been_copied(
    project: Path, reader: Callable[..., Any], tmp_path: Path
) -> None:
    """Where it is another, that is told, and where the run's lay."""
    (tmp_path / "mine.py").write_text("")
    called = reader(tmp_path, "show", project / "r:0")
    assert called.status == 2
    assert "has no attribute 'softsign'" in called.err
    assert f"its code lay in {project}" in called.err


def test_one_that_does_not_do_what_it_says_is_refused_before_anything_is_made(
    project: Path, reader: Callable[..., Any]
) -> None:
    called = reader(
        project,
        "run",
        "--config=own.yaml",
        "--set=functions=[all, 'mine:wrong']",
        "--set=initial=lion",
        "--out=w",
    )
    assert called.status == 2
    assert "function 'wrong' of your own: its code for the export to optax gives 3 for wrong(1)" in called.err
    assert len(called.err.splitlines()) == 1
    assert not (project / "w").exists()


def test_a_winner_without_code_is_handed_over_as_a_program(project: Path, reader: Callable[..., Any]) -> None:
    """And it is said before the search that it will be."""
    start = START.replace("softsign", "twice")
    (project / "twice.py").write_text(start)
    options = ("--set=functions=['mine:unexportable']", "--set=initial=twice.py", "--set=workers=inline")
    called = reader(project, "run", "--config=own.yaml", "--out=t", *ONLY_START, *options)
    assert called.status == 0, called.err
    assert "'twice' has neither code nor jax_code" in called.out
    assert {path.name for path in (project / "t" / "exports").iterdir()} == {"winner.py", "simplified.py"}


def _moved(project: Path, folder: Path, run_in: Callable[..., Any]) -> Path:
    """The project in another place; where it was there is nothing by now, as far as the log can tell."""
    moved = folder / "moved"
    shutil.copytree(project, moved)
    shutil.rmtree(moved / "__pycache__", ignore_errors=True)
    run_in(moved / "r").change("UPDATE run SET value = ? WHERE key = 'own_folders'", '["/nowhere"]')
    return moved
