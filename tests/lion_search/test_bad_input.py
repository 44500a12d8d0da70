"""What a person gets wrong: exit status 2, one message that helps, no traceback, nothing written."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Main = Callable[..., Any]

# A run that is wrongly accepted ends soon, and without Ray.
TINY = """
workers: inline
search: {population: 2, lag: 2}
budget: {programs: 2}
tasks: [{name: digits_mlp, seeds: 1}]
"""
HEADER = "def train(w, g, m, lr):\n"
RETURN = "    return update, m\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a tiny configuration."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    """All files with what they hold, and all folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def refused(main: Main, folder: Path) -> Callable[..., str]:
    """Calls a command that must be refused; gives the message."""

    def call(*arguments: str | Path, written: bool = False) -> str:
        before = contents(folder)
        called = main(*arguments)
        assert called.status == 2, called
        assert called.out == ""
        assert "Error: " in called.err
        assert called.err.count("Error") == 1
        if not written:
            assert contents(folder) == before
        return str(called.err)

    return call


Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("serch: {population: 3}", ["bad.yaml", "unknown key 'serch'", "did you mean 'search'?"]),
        ("search: {populaton: 3}", ["bad.yaml", "unknown key 'search.populaton'", "'population'"]),
        ("search: {population: many}", ["bad.yaml", "search.population", "integer", "'many'"]),
        ("search: [1]", ["bad.yaml", "search", "[1]"]),
        ("functions: [interp, sgn]", ["bad.yaml", "functions", "'sgn'", "'sign'"]),
        ("functions: ['no_such_module:f']", ["no_such_module:f", "cannot import"]),
        ("search: {population: 3, tournament: 4}", ["bad.yaml", "tournament 4", "population 3"]),
        ("workers: 0", ["bad.yaml", "workers", "greater than 0", "found 0"]),
        ("budget: {programs: 0}", ["bad.yaml", "budget.programs", "greater than 0", "found 0"]),
        ("tasks: [{name: digit_mlp}]", ["unknown task 'digit_mlp'", "did you mean 'digits_mlp'?"]),
        ("initial: lino", ["no program 'lino'", "did you mean 'lion'?"]),
        ("initial: found:3", ["no run 'found'"]),
        ("mutation: {invert: 1.0}", ["bad.yaml", "unknown key 'mutation.invert'", "'insert'"]),
        ("search: {method: annealing}", ["bad.yaml", "search.method", "evolution", "'annealing'"]),
        ("search: {order: any}", ["bad.yaml", "search.order", "'asynchronous'", "'any'"]),
        ("search: {update_scales: [0.5, 1.0]}", ["bad.yaml", "search", "begin with 1.0", "[0.5, 1.0]"]),
        ("search: {update_scales: [1.0, 0.5, 0.5]}", ["differ from each other", "[1.0, 0.5, 0.5]"]),
        ("search: {update_scales: []}", ["bad.yaml", "search.update_scales", "at least 1"]),
        ("search: {update_scales: [1.0, 0.0]}", ["search.update_scales.1", "greater than 0", "found 0.0"]),
        (
            "noise: {max_seeds: 3}\ntasks: [{name: digits_mlp, seeds: 4}]",
            ["max_seeds 3", "4 seeds of digits"],
        ),
        ("hurdle: {percentile: 0}", ["bad.yaml", "hurdle.percentile", "greater than 0", "found 0"]),
        ("hurdle: {percentile: 101}", ["hurdle.percentile", "less than or equal to 100", "found 101"]),
        ("budget: {minutes: 0}", ["bad.yaml", "budget.minutes", "greater than 0", "found 0"]),
        ("budget: {evaluations: 0}", ["bad.yaml", "budget.evaluations", "greater than 0", "found 0"]),
        ("warm_start: lino", ["no program 'lino'", "did you mean 'lion'?"]),
        ("warm_start: missing.py", ["no program 'missing.py'"]),
        ("initial: lion\nwarm_start: adamw", ["warm start 'adamw' has state v", "'lion' has m"]),
        ("reuse: [fuond]", ["no run 'fuond'"]),
        ("- search", ["bad.yaml", "keys and values", "list"]),
        ("just words", ["bad.yaml", "keys and values", "str"]),
        ("search: {population: 3", ["bad.yaml", "not YAML", "line 1"]),
        ("\tsearch:", ["bad.yaml", "not YAML", "line 1"]),
    ],
)
def test_a_bad_configuration_is_refused(refused: Refused, text: str, parts: list[str]) -> None:
    """The message names the file, the key and what is allowed; no run folder is made."""
    Path("bad.yaml").write_text(text)
    message = refused("run", "--config", "bad.yaml")
    for part in parts:
        assert part in message


def test_a_missing_configuration_is_refused(refused: Refused) -> None:
    """The shipped ones are named, the nearest first."""
    message = refused("run", "--config", "quickstat")
    assert "'quickstat': No such file" in message
    assert "did you mean 'quickstart'?" in message
    assert "'.': Is a directory" in refused("run", "--config", ".")


def test_a_configuration_that_is_no_text_is_refused(refused: Refused) -> None:
    """A binary file."""
    Path("bad.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot read configuration 'bad.yaml'" in refused("run", "--config", "bad.yaml")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--workers", "0"], ["workers", "greater than 0", "found 0"]),
        (["--workers", "-3"], ["workers", "greater than 0", "found -3"]),
        (["--workers", "two"], ["--workers", "integer"]),
        (["--warm-start", "lino"], ["no program 'lino'", "did you mean 'lion'?"]),
        (["--set", "initial=lion", "--warm-start", "adamw"], ["warm start 'adamw' has state v"]),
        (["--seed", "-1"], ["seed", "greater than or equal to 0", "found -1"]),
        (["--set", "search.population"], ["--set search.population", "key.path=value"]),
        (["--set", "=3"], ["--set =3", "key.path=value"]),
        (["--set", "search.populaton=3"], ["unknown key 'search.populaton'", "'population'"]),
        (["--set", "search.population.x=3"], ["--set search.population.x=3", "'population'"]),
        (["--set", "search.population="], ["search.population", "integer"]),
        (["--set", "tasks.1.seeds=3"], ["--set tasks.1.seeds=3", "'1'", "list of 1"]),
        (["--set", "tasks.-1.seeds=3"], ["--set tasks.-1.seeds=3", "'-1'", "list of 1"]),
        (["--set", "tasks.first.seeds=3"], ["--set tasks.first.seeds=3", "'first'"]),
        (["--set", "seed=["], ["--set seed=[", "not YAML"]),
        (["--set", "tasks.0.name=digit_mlp"], ["unknown task 'digit_mlp'", "'digits_mlp'"]),
        (["--set", "workers=0", "--workers", "0"], ["workers", "greater than 0"]),
        (["--wrokers", "1"], ["--wrokers"]),
    ],
)
def test_a_bad_option_is_refused(refused: Refused, options: list[str], parts: list[str]) -> None:
    """The message repeats what was given and says what is allowed."""
    message = refused("run", "--config", "tiny.yaml", *options)
    for part in parts:
        assert part in message


def test_setting_a_key_below_a_list_item_that_has_none_is_refused(refused: Refused) -> None:
    """As below any other value."""
    message = refused("run", "--config", "tiny.yaml", "--set", "tasks.0=3", "--set", "tasks.0.seeds=3")
    assert "tasks.0.seeds=3" in message


def test_a_folder_that_is_not_empty_is_refused(refused: Refused) -> None:
    """Its files stay as they are."""
    Path("mine").mkdir()
    Path("mine/log.db").write_text("precious")
    Path("mine/.hidden").write_text("precious")
    message = refused("run", "--config", "tiny.yaml", "--out", "mine")
    assert "'mine' is not empty" in message
    assert "--out" in message
    Path("mine/log.db").unlink()
    assert "'mine' is not empty" in refused("run", "--config", "tiny.yaml", "--out", "mine")


def test_a_file_in_the_place_of_the_run_folder_is_refused(refused: Refused) -> None:
    """Or of one above it."""
    assert "'tiny.yaml': Not a directory" in refused("run", "--config", "tiny.yaml", "--out", "tiny.yaml")
    assert "Not a directory" in refused("run", "--config", "tiny.yaml", "--out", "tiny.yaml/x")


def test_reusing_a_run_with_other_tasks_is_refused(refused: Refused, finished: Any) -> None:
    """The message names the task that it has not."""
    arguments = ("run", "--config", "tiny.yaml", "--set", f"reuse=['{finished.folder}']")
    message = refused(*arguments, "--set", "tasks.0.name=heavy_tail_linear")
    assert f"cannot reuse scores of '{finished.folder}': it has no task heavy_tail_linear" in message


def test_reusing_a_run_with_another_task_of_that_name_is_refused(
    refused: Refused, folder: Path, finished: Any
) -> None:
    """The message says what differs."""
    shutil.copytree(finished.folder, folder / "r")
    with contextlib.closing(sqlite3.connect(folder / "r" / "log.db")) as log, log:
        (facts,) = log.execute("SELECT value FROM run WHERE key = 'tasks'").fetchone()
        assert '"steps": 250' in facts
        log.execute("UPDATE run SET value = ? WHERE key = 'tasks'", (facts.replace("250", "251"),))
    message = refused("run", "--config", "tiny.yaml", "--set", "reuse=[r]")
    assert "cannot reuse scores of 'r': digits_mlp.steps was 251 and is 250" in message


DATABASES = [
    ("sqlite:///missing/log.db", ["missing/log.db", "unable to open"]),
    ("sqlite:///a_folder", ["a_folder", "unable to open"]),
    ("sqlite:///notes.txt", ["notes.txt", "not a database"]),
    ("notes.txt", ["'notes.txt'", "sqlite:///"]),
    ("oracel://here/log", ["oracel"]),
]


@pytest.fixture
def with_databases() -> None:
    """A folder, and a text file, where a database might be."""
    Path("a_folder").mkdir()
    Path("notes.txt").write_text("These are my notes, not a database.\n" * 100)


@pytest.mark.usefixtures("with_databases")
@pytest.mark.parametrize(("url", "parts"), DATABASES)
def test_a_database_that_cannot_be_opened_is_refused(
    refused: Refused, folder: Path, url: str, parts: list[str]
) -> None:
    """The message names it and says why; it stays as it is."""
    before = contents(folder)
    message = refused("run", "--config", "tiny.yaml", "--set", f"database={url}", written=True)
    for part in parts:
        assert part in message
    assert before.items() <= contents(folder).items()


@pytest.mark.usefixtures("with_databases")
@pytest.mark.parametrize("url", [url for url, _ in DATABASES])
def test_a_database_that_cannot_be_opened_leaves_no_run_folder(refused: Refused, url: str) -> None:
    """Nothing is made before everything is known to be right."""
    refused("run", "--config", "tiny.yaml", "--set", f"database={url}")


def test_a_database_that_holds_a_run_is_refused(refused: Refused, folder: Path, finished: Any) -> None:
    """Nothing is added to it."""
    database = folder / "log.db"
    database.write_bytes((finished.folder / "log.db").read_bytes())
    message = refused(
        *("run", "--config", "tiny.yaml", "--set", f"database=sqlite:///{database}"), written=True
    )
    assert "log.db already holds a run" in message


PROGRAMS = [
    (HEADER + "    update = = g\n" + RETURN, "line 2, column 14", ["not Python"]),
    (HEADER + "    update = sgn(g)\n" + RETURN, "line 2, column 14", ["function 'sgn'", "'sign'"]),
    (HEADER + "    update = sign(g, m)\n" + RETURN, "line 2, column 14", ["sign takes 1", "found 2"]),
    (HEADER + "    update = interp(g, m)\n" + RETURN, "line 2, column 14", ["interp takes 3", "found 2"]),
    (HEADER + "    update = sign(gg)\n" + RETURN, "line 2, column 19", ["variable 'gg'", "'g'"]),
    (HEADER + "    update = g\n    m = update + mm\n" + RETURN, "line 3, column 18", ["'mm'", "'m'"]),
    ("import os\n", "line 1, column 1", ["def train"]),
    ("", "line 1, column 1", ["def train", "nothing"]),
]


@pytest.mark.parametrize(("text", "where", "parts"), PROGRAMS)
def test_a_bad_program_is_refused_by_line_and_column(
    refused: Refused, text: str, where: str, parts: list[str]
) -> None:
    """By every command that takes a program; as the initial one before anything is made."""
    Path("mine.py").write_text(text)
    for arguments in (
        ("check", "mine.py"),
        ("show", "mine.py"),
        ("export", "mine.py", "-o", "exported.py"),
        ("run", "--config", "tiny.yaml", "--set", "initial=mine.py"),
        ("run", "--config", "tiny.yaml", "--warm-start", "mine.py"),
    ):
        message = refused(*arguments)
        for part in (f"mine.py, {where}: ", *parts):
            assert part in message


def test_a_program_file_that_is_no_text_is_refused(refused: Refused) -> None:
    """A picture, say."""
    Path("mine.py").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff")
    assert "cannot read 'mine.py'" in refused("show", "mine.py")
    assert "cannot read 'mine.py'" in refused("run", "--config", "tiny.yaml", "--set", "initial=mine.py")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", HEADER + "    m = interp(g, m, 0.9)\n" * 20 + RETURN),
        ("top", "x" * 300),
        ("export", "lion", "-o", "x" * 300),
        ("run", "--config", "x" * 300),
        ("run", "--config", "tiny.yaml", "--out", "x" * 300),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(refused: Refused, arguments: tuple[str, ...]) -> None:
    """As when a program's text is given in the place of its file."""
    refused(*arguments)


@pytest.mark.parametrize("arguments", [("top", "fuond"), ("show", "fuond:1"), ("check", "fuond:1")])
def test_an_unknown_run_is_refused(refused: Refused, arguments: tuple[str, ...]) -> None:
    """The runs there are are named."""
    Path("runs/found").mkdir(parents=True)
    Path("runs/found/config.yaml").write_text("")
    message = refused(*arguments)
    assert "no run 'fuond'" in message
    assert "did you mean 'found'?" in message


def test_an_unknown_individual_is_refused(refused: Refused, finished: Any) -> None:
    """The numbers there are are named."""
    message = refused("show", f"{finished.folder}:300")
    assert "no individual 300" in message
    assert "0 to 299" in message


def test_an_individual_with_a_huge_number_is_refused(refused: Refused, finished: Any) -> None:
    """Beyond what a database can count."""
    assert "0 to 299" in refused("show", f"{finished.folder}:{10**30}")


@pytest.mark.parametrize("command", ["show", "check", "export"])
def test_an_unknown_library_name_is_refused(refused: Refused, command: str) -> None:
    """All names are given, the nearest first."""
    message = refused(command, "lino")
    assert "no program 'lino'; did you mean 'lion'?" in message
    assert "paper/program8" in message


def test_an_unknown_target_of_an_export_is_refused(refused: Refused) -> None:
    """The targets there are are named."""
    message = refused("export", "lion", "--to", "optx", "-o", "mine.py")
    assert "'optx'; did you mean 'optax'?; targets: optax" in message


def test_an_export_never_overwrites(refused: Refused) -> None:
    """Neither a file nor a folder."""
    Path("mine.py").write_text("precious")
    assert "'mine.py' exists" in refused("export", "lion", "-o", "mine.py")
    Path("mine").mkdir()
    assert "'mine' exists" in refused("export", "lion", "-o", "mine")
    assert "cannot write 'missing/mine.py'" in refused("export", "lion", "-o", "missing/mine.py")


@pytest.mark.parametrize("name", ["1st", "my optimizer", "class"])
def test_a_name_that_python_does_not_accept_is_refused(refused: Refused, name: str) -> None:
    """It would not be the name of a function."""
    assert f"'{name}' cannot name a Python function" in refused("export", "lion", "--name", name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--config", "bad.yaml", "--out", "new"),
        ("run", "--config", "tiny.yaml", "--out", "mine"),
        ("check", "mine.py"),
        ("show", "found:1"),
    ],
)
def test_a_real_process_prints_one_message_and_exits_with_2(
    command: Any, folder: Path, arguments: tuple[str, ...]
) -> None:
    """As a shell sees it."""
    Path("bad.yaml").write_text("serch: {}")
    Path("mine.py").write_text(HEADER)
    Path("mine").mkdir()
    Path("mine/precious").write_text("precious")
    before = contents(folder)
    called = command(*arguments)
    assert called.status == 2
    assert called.out == ""
    assert called.err.startswith("Error: ")
    assert len(called.err.splitlines()) == 1
    assert contents(folder) == before
