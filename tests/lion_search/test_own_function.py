"""A function of the user's own: in the language, in the workers, in the log and in the export."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

MINE = """
from lion_search import Function, Type

softsign = Function("softsign", (Type.TREE,), None, lambda xp, x: x / (1 + xp.abs(x)),
                    jax_code="{0} / (1 + jnp.abs({0}))")
unexportable = Function("twice", (Type.TREE,), None, lambda xp, x: x + x)
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
    run = own_folder.run("r", *options.small, "--config=own.yaml", "--quiet", f"--set=workers={workers}")
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
