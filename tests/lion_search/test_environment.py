"""The environment in which a command is called: streams, home, and what the user has set of JAX."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(sys.executable).with_name("lion-search")
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", ["functions", "show lion", "functions --json", "--help"])
def test_output_that_cannot_be_written_is_one_message(arguments: str) -> None:
    """And status 1, however much there is to write."""
    with FULL.open("wb") as full:
        done = subprocess.run(
            [COMMAND, *arguments.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", "2>&-"])
def test_a_stream_that_is_closed_is_an_empty_one(closed: str) -> None:
    shell = ["/bin/sh", "-c", f"exec {COMMAND} functions {closed}"]
    done = subprocess.run(shell, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", ["functions", "check lion", "tasks", "library", "export lion"])
def test_everything_can_be_printed_in_ascii(command: Any, arguments: str) -> None:
    done = command(*arguments.split(), LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (done.status, done.err) == (0, "")
    assert done.out.isascii()


SET_BY_USER = {
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_RANDOM_SEED_OFFSET": "3",
    "JAX_DEBUG_NANS": "1",
    "XLA_FLAGS": "--no_such_flag",
}


def test_what_a_user_has_set_of_jax_changes_no_loss(tiny: Any) -> None:
    """Neither of a program nor of an optimizer of optax."""
    arguments = ("evaluate", "lion", "optax:sgd?learning_rate=0.1", "--task=tiny:sine", "--seeds=2", "--json")
    rows = [tiny(*arguments, "--workers=inline", **given) for given in ({}, SET_BY_USER)]
    assert [row.status for row in rows] == [0, 0], rows
    plain, given = (json.loads(row.out) for row in rows)
    assert [row["losses"] for row in given] == [row["losses"] for row in plain]


def test_jax_is_imported_by_no_module_of_the_application() -> None:
    """But by its functions, once the environment is set that JAX reads when it is imported."""
    rooms = ("analysis", "commands", "config", "runs", "search", "selection", "simplify", "results")
    every = (
        "import importlib, pkgutil, sys, lion_search.cli\n"
        "for room in sys.argv[1:]:\n"
        "    folder, before = f'{lion_search.__path__[0]}/{room}', f'lion_search.{room}.'\n"
        "    for found in pkgutil.iter_modules([folder], before):\n"
        "        importlib.import_module(found.name)\n"
        "        assert 'jax' not in sys.modules, found.name\n"
    )
    done = subprocess.run([sys.executable, "-c", every, *rooms], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [("JAX_PLATFORMS", "quantum", "quantum"), ("JAX_ENABLE_X64", "maybe", "invalid truth value 'maybe'")],
)
def test_where_jax_does_not_start_the_message_says_what_is_set(
    tiny: Any, variable: str, value: str, part: str
) -> None:
    called = tiny("evaluate", "lion", "--task=tiny:sine", "--workers=inline", **{variable: value})
    assert called.status == 2
    assert called.err.startswith("Error: JAX does not start: ")
    assert part in called.err
    assert f"{variable}={value}" in called.err


@pytest.mark.parametrize(
    "arguments",
    ["evaluate lion --task=tiny:sine --seeds=2 --workers=inline", "simplify lion --only-proofs"],
)
def test_a_user_without_home_or_name_can_work(tiny: Any, arguments: str) -> None:
    """As in many a container: no HOME, and a number that no user has, in a namespace of its own."""
    alone = ("unshare", "--user", "--map-user=54321", "env", "-u", "HOME", "-u", "XDG_CACHE_HOME")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no user namespaces")
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [*alone, COMMAND, *arguments.split()],
        cwd=tiny.folder,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
