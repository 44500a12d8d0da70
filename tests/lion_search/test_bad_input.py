"""What a person gets wrong: exit status 2, one message that helps, no traceback, nothing written."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Sequence
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
RUN = "run --config tiny.yaml "
HEADER = "def train(w, g, m, lr):\n"
RETURN = "    return update, m\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in: a tiny configuration, and what a person may have there, which must stay as it is."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs/found", "mine", "hidden", "a_folder"):
        Path(name).mkdir(parents=True)
    for name in ("mine/log.db", "hidden/.hidden", "mine.txt"):
        Path(name).write_text("precious")
    Path("tiny.yaml").write_text(TINY)
    Path("runs/found/config.yaml").write_text("")
    Path("notes.txt").write_text("These are my notes, not a database.\n" * 100)
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    Path("picture.py").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    """All files with what they hold, and all folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def refused(main: Main, folder: Path) -> Callable[..., None]:
    """Calls a command that must be refused, with a message that holds these parts and nothing written."""

    def call(command: str | Sequence[str], *parts: str, written: bool = False) -> None:
        before = contents(folder)
        called = main(*(shlex.split(command) if isinstance(command, str) else command))
        assert called.status == 2, called
        assert called.out == ""
        assert "Error: " in called.err
        assert called.err.count("Error") == 1
        assert written or contents(folder) == before
        for part in parts:
            assert part in called.err

    return call


Refused = Callable[..., None]


@pytest.mark.parametrize(
    ("text", "parts"),
    [  # what single values may be is stated in test_config.py
        ("serch: {population: 3}", ["bad.yaml", "unknown key 'serch'", "did you mean 'search'?"]),
        ("search: [1]", ["bad.yaml", "search", "[1]"]),
        ("functions: ['no_such_module:f']", ["no_such_module:f", "cannot import"]),
        ("tasks: [{name: digit_mlp}]", ["unknown task 'digit_mlp'", "did you mean 'digits_mlp'?"]),
        ("initial: lino", ["no program 'lino'", "did you mean 'lion'?"]),
        ("initial: fuond:3", ["no run 'fuond'"]),
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
    refused("run --config bad.yaml", *parts)


LONG = "x" * 300
"""A name that no file can have."""
COMMANDS = [
    # The configuration: the shipped ones are named, the nearest first.
    ("run --config quickstat", ["'quickstat': No such file", "did you mean 'quickstart'?"]),
    ("run --config .", ["'.': Is a directory"]),
    ("run --config binary.yaml", ["cannot read configuration 'binary.yaml'"]),
    (f"run --config {LONG}", []),
    # Options of a run.
    (RUN + "--workers 0", ["--workers 0", "a number from 1, auto or inline"]),
    (RUN + "--workers -3", ["--workers -3", "a number from 1"]),
    (RUN + "--workers two", ["--workers two", "auto or inline"]),
    (RUN + "--warm-start lino", ["no program 'lino'", "did you mean 'lion'?"]),
    (RUN + "--set initial=lion --warm-start adamw", ["warm start 'adamw' has state v"]),
    (RUN + "--seed -1", ["seed", "greater than or equal to 0", "found -1"]),
    (RUN + "--set search.population", ["--set search.population", "key.path=value"]),
    (RUN + "--set =3", ["--set =3", "key.path=value"]),
    (RUN + "--set search.populaton=3", ["unknown key 'search.populaton'", "'population'"]),
    (RUN + "--set search.population.x=3", ["--set search.population.x=3", "'population'"]),
    (RUN + "--set search.population=", ["search.population", "integer"]),
    (RUN + "--set tasks.1.seeds=3", ["--set tasks.1.seeds=3", "'1'", "list of 1"]),
    (RUN + "--set tasks.-1.seeds=3", ["--set tasks.-1.seeds=3", "'-1'", "list of 1"]),
    (RUN + "--set tasks.first.seeds=3", ["--set tasks.first.seeds=3", "'first'"]),
    (RUN + "--set tasks.0=3 --set tasks.0.seeds=3", ["tasks.0.seeds=3"]),
    (RUN + "--set seed=[", ["--set seed=[", "not YAML"]),
    (RUN + "--set tasks.0.name=digit_mlp", ["unknown task 'digit_mlp'", "'digits_mlp'"]),
    (RUN + "--set workers=0", ["workers", "greater than 0"]),
    (RUN + "--wrokers 1", ["--wrokers"]),
    # The run folder, of which no file is touched.
    (RUN + "--out mine", ["'mine' is not empty", "--out"]),
    (RUN + "--out hidden", ["'hidden' is not empty"]),
    (RUN + "--out tiny.yaml", ["'tiny.yaml': Not a directory"]),
    (RUN + "--out tiny.yaml/x", ["Not a directory"]),
    (RUN + f"--out {LONG}", []),
    # Programs: all names are given, the nearest first.
    *(
        (f"{command} lino", ["no program 'lino'; did you mean 'lion'?", "paper/program8"])
        for command in ("show", "check", "export")
    ),
    ("show picture.py", ["cannot read 'picture.py'"]),
    (RUN + "--set initial=picture.py", ["cannot read 'picture.py'"]),
    (["show", HEADER + "    m = interp(g, m, 0.9)\n" * 20 + RETURN], []),  # its text, not its file
    # Runs: those that there are are named.
    ("top fuond", ["no run 'fuond'", "did you mean 'found'?"]),
    ("show fuond:1", ["no run 'fuond'", "did you mean 'found'?"]),
    ("check fuond:1", ["no run 'fuond'", "did you mean 'found'?"]),
    (f"top {LONG}", []),
    *((f"{command} found", ["no database at runs/found/log.db"]) for command in ("top", "log", "report")),
    # Exports, which never overwrite.
    ("export lion --to optx -o new.py", ["'optx'; did you mean 'optax'?; targets: optax"]),
    ("export lion -o mine.txt", ["'mine.txt' exists"]),
    ("export lion -o mine", ["'mine' exists"]),
    ("export lion -o missing/mine.py", ["cannot write 'missing/mine.py'"]),
    (f"export lion -o {LONG}", []),
    *(
        (["export", "lion", "--name", name], [f"'{name}' cannot name a Python function"])
        for name in ("1st", "my optimizer", "class")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("command", "parts"), COMMANDS, ids=lambda value: str(value)[:60])
def test_a_bad_command_is_refused(refused: Refused, command: str | list[str], parts: list[str]) -> None:
    """The message repeats what was given and says what is allowed, or what there is."""
    refused(command, *parts)


def test_reusing_a_run_with_other_tasks_is_refused(refused: Refused, finished: Any) -> None:
    """The message names the task that it has not."""
    refused(
        RUN + f"--set \"reuse=['{finished.folder}']\" --set tasks.0.name=heavy_tail_linear",
        f"cannot reuse scores of '{finished.folder}': it has no task heavy_tail_linear",
    )


def test_reusing_a_run_with_another_task_of_that_name_is_refused(
    refused: Refused, folder: Path, finished: Any
) -> None:
    """The message says what differs."""
    shutil.copytree(finished.folder, folder / "r")
    with contextlib.closing(sqlite3.connect(folder / "r" / "log.db")) as log, log:
        (facts,) = log.execute("SELECT value FROM run WHERE key = 'tasks'").fetchone()
        assert '"steps": 250' in facts
        log.execute("UPDATE run SET value = ? WHERE key = 'tasks'", (facts.replace("250", "251"),))
    refused(RUN + "--set reuse=[r]", "cannot reuse scores of 'r': digits_mlp.steps was 251 and is 250")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("sqlite:///missing/log.db", ["missing/log.db", "unable to open"]),
        ("sqlite:///a_folder", ["a_folder", "unable to open"]),
        ("sqlite:///notes.txt", ["notes.txt", "not a database"]),
        ("notes.txt", ["'notes.txt'", "sqlite:///"]),
        ("oracel://here/log", ["oracel"]),
    ],
)
def test_a_database_that_cannot_be_opened_is_refused(refused: Refused, url: str, parts: list[str]) -> None:
    """The message names it and says why; no run folder is made before everything is known to be right."""
    refused(RUN + f"--set database={url}", *parts)


def test_a_database_that_holds_a_run_is_refused(
    refused: Refused, folder: Path, finished: Any, run_in: Any
) -> None:
    """Nothing is added to it."""
    database = shutil.copy(finished.folder / "log.db", folder)
    refused(RUN + f"--set database=sqlite:///{database}", "log.db already holds a run", written=True)
    assert run_in(folder).rows() == finished.rows()


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
    commands = ("check mine.py", "show mine.py", "export mine.py -o exported.py")
    for command in (*commands, RUN + "--set initial=mine.py", RUN + "--warm-start mine.py"):
        refused(command, f"mine.py, {where}: ", *parts)


@pytest.mark.parametrize("number", [300, 10**30])
def test_an_unknown_individual_is_refused(refused: Refused, finished: Any, number: int) -> None:
    """The numbers there are are named, also beyond what a database can count."""
    refused(f"show '{finished.folder}:{number}'", f"no individual {number}", "0 to 299")


@pytest.mark.parametrize(
    "arguments",
    ["run --config bad.yaml --out new", RUN + "--out mine", "check mine.py", "show fuond:1"],
)
def test_a_real_process_prints_one_message_and_exits_with_2(
    command: Any, folder: Path, arguments: str
) -> None:
    """As a shell sees it."""
    Path("bad.yaml").write_text("serch: {}")
    Path("mine.py").write_text(HEADER)
    before = contents(folder)
    called = command(*arguments.split())
    assert called.status == 2
    assert called.out == ""
    assert called.err.startswith("Error: ")
    assert len(called.err.splitlines()) == 1
    assert contents(folder) == before
