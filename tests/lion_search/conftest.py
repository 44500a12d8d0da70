"""The command line as a person meets it: in this process, or as real processes in a folder of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from lion_search import cli
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Status, overall_status
from lion_search.results.records import (
    BASELINE_SUBJECT,
    HITS,
    NOVEL,
    TRAINED,
    Evaluation,
    Individual,
    Outcome,
    Stage,
)
from lion_search.results.store import Store

COMMAND = Path(sys.executable).with_name("lion-search")
MARK = "LION_SEARCH_TEST_MARK"
PLAIN = (
    "--set=mutation.until_changed=0.0",
    "--set=search.update_scales=[1.0]",
    "--set=noise.max_seeds=null",
    "--set=hurdle.percentile=null",
    "--set=hurdle.rejects=false",
    "--set=simplification.how_far=redundancy",
)
"""A search without the quickstart's policies: programs are all trained on the same seeds; and no proofs nor
experiments at its end, which take seconds."""

SMALL = (
    *PLAIN,
    "--set=budget.programs=300",
    "--set=search.population=50",
    "--set=search.lag=32",
    "--set=tasks.0.seeds=1",
    "--set=selection.finalists=2",
    "--set=selection.validation_seeds=8",
    "--set=selection.test_seeds=8",
)
"""A run of seconds, once everything is compiled."""

SIMPLIFYING = ("--set=simplification.how_far=experiments", "--set=simplification.minutes=0.15")
"""What makes its winner readable all the same."""

TINY = ("--config=quickstart", *PLAIN, "--set=tasks.0.name=tiny:sine", "--set=budget.minutes=null")
"""A run on the task of ``tiny.py``, whose trainings take a millisecond."""
POLICIES = (
    *TINY,
    "--set=budget.programs=1000",
    "--set=mutation.until_changed=0.3",
    "--set=search.population=60",
    "--set=search.repeats=2",
    "--set=search.plateau=100",
    "--set=search.update_scales=[1.0, 0.5, 0.25]",
    "--set=noise.max_seeds=8",
    "--set=hurdle.percentile=60",
    "--set=hurdle.rejects=true",
    "--set=tasks.0.seeds=2",
    "--set=selection.finalists=6",
    "--set=selection.validation_seeds=200",
    "--set=selection.test_seeds=400",
)
"""The same with everything a search can do, and with phases long enough to be killed in."""


@dataclass(frozen=True)
class Called:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


@dataclass
class Running:
    """A command that runs in a session, and so a process group, of its own.

    Its descendants carry a mark in their environment, by which they are found even when their parents have
    ended. Some of Ray's overwrite it with their title: these are remembered from when they were children.
    """

    process: subprocess.Popen[bytes]
    mark: str
    out_path: Path
    err_path: Path
    _seen: set[tuple[int, int]] = field(default_factory=set)

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def family(self) -> dict[int, str]:
        """Command lines, by process id, of the processes that live: the command and all its descendants."""
        members: dict[int, str] = {}
        for process in _processes():  # parents before their children
            key = (process.pid, process.started)
            is_command = process.pid == self.process.pid and self.process.returncode is None
            is_below = process.parent in members or _is_marked(process.pid, self.mark)
            if is_command or is_below or key in self._seen:
                self._seen.add(key)
                members[process.pid] = process.line
        return members

    def survivors(self, within_seconds: float) -> dict[int, str]:
        """The processes that are still there when they have had some time to end."""
        deadline = time.monotonic() + within_seconds
        while (left := self.family()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = 120) -> None:
        """Waits for something the command does; fails if it ends before."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            self.family()  # remembers who belongs to it
            assert self.process.poll() is None, f"the command has ended:\n{self.out}\n{self.err}"
            assert time.monotonic() < deadline, f"nothing happened:\n{self.out}\n{self.err}"
            time.sleep(0.1)


@dataclass
class CommandLine:
    """The console command, run in a folder as real processes."""

    folder: Path
    environment: Mapping[str, str]
    _running: list[Running] = field(default_factory=list)

    def __call__(self, *arguments: str | Path, timeout_seconds: float = 280) -> Called:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path, stdout: IO[bytes] | None = None) -> Running:
        """Starts it and does not wait."""
        mark = uuid.uuid4().hex
        out_path, err_path = (self.folder / f"{mark}.{kind}" for kind in ("out", "err"))
        with out_path.open("wb") as out, err_path.open("wb") as err:
            process = subprocess.Popen(
                [COMMAND, *arguments],
                cwd=self.folder,
                env={**self.environment, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=stdout or out,
                stderr=err,
                start_new_session=True,
            )
        running = Running(process, mark, out_path, err_path)
        self._running.append(running)
        return running

    def end_all(self) -> None:
        """Ends what a failed test may have left, so that it does not disturb the others."""
        for running in self._running:
            for pid in running.family():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            running.process.wait()


class _Process(NamedTuple):
    """A process; when it ``started``, in ticks, tells it from an older one with its number."""

    pid: int
    parent: int
    started: int
    line: str


def _processes() -> list[_Process]:
    """All processes, the oldest first; not those that have ended and wait for their parent to notice."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal():
                state, parent, *others = (folder / "stat").read_text().rpartition(")")[2].split()
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if state != "Z":
                    found.append(_Process(int(folder.name), int(parent), int(others[17]), line.strip()))
    return sorted(found, key=lambda process: (process.started, process.pid))


def _is_marked(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of real processes: no terminal, no accelerator, and one compilation for all of them.

    JAX's persistent cache only saves the time of compiling the same training loops in every process.
    """
    terminal = ("COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    return {
        **{name: value for name, value in os.environ.items() if name not in terminal},
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("jax_cache")),
    }


@pytest.fixture(scope="session")
def command_in(environment: dict[str, str]) -> Callable[[Path], CommandLine]:
    """The console command as real processes, in a folder."""
    return lambda folder: CommandLine(folder, environment)


@pytest.fixture
def command(tmp_path: Path, command_in: Callable[[Path], CommandLine]) -> Iterator[CommandLine]:
    """The console command as real processes, in an empty folder."""
    line = command_in(tmp_path)
    yield line
    line.end_all()


@pytest.fixture(scope="session")
def small() -> Sequence[str]:
    """Options that make a run small."""
    return SMALL


@pytest.fixture(scope="session")
def simplifying() -> Sequence[str]:
    """Options of a run that simplifies its winner."""
    return SIMPLIFYING


@pytest.fixture(scope="session")
def policies() -> Sequence[str]:
    """Options of a run on the tiny task with everything a search can do."""
    return POLICIES


@pytest.fixture(scope="session")
def tiny_options() -> Sequence[str]:
    """Options of a run on the tiny task."""
    return TINY


def _make_tiny(folder: Path) -> None:
    """Puts the tiny task and its baselines where a user has theirs."""
    shutil.copy(Path(__file__).with_name("tiny.py"), folder)
    (folder / "baselines").mkdir()
    adamw = {
        "form": "program",
        "hyperparameters": {"learning_rate": 0.1, "weight_decay": 0.001, "b1": 0.9, "b2": 0.99},
        "validation_loss": 0.3,
        "standard_error": 0.01,
    }
    content = {"facts": {"task": "tiny:sine", "steps": 30}, "baselines": {"adamw": adamw}}
    (folder / "baselines" / "tiny_sine.json").write_text(json.dumps(content))


@pytest.fixture
def tiny(command: CommandLine) -> CommandLine:
    """The command in a folder with the tiny task."""
    _make_tiny(command.folder)
    return command


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, command_in: Callable[[Path], CommandLine]
) -> FinishedRun:
    """A run on the tiny task with everything a search can do and two Ray workers, which nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    _make_tiny(folder)
    done = FinishedRun(folder / "r", command_in(folder)("run", *POLICIES, "--out=r", "--workers=2"))
    assert done.called.status == 0, done.called.err
    return done


class Rows(NamedTuple):
    """All that is in a log but times: the individuals, and the trainings of the search, in their order."""

    individuals: list[Any]
    search: list[Any]
    others: list[Any]
    """Trainings of other stages, which are logged as they end; sorted."""


_EVALUATION = "individual_id, stage, subject, task, part, seed, status, loss, num_steps, reason"


def _rows_of(folder: Path) -> Rows:
    with contextlib.closing(sqlite3.connect(f"{(folder / 'log.db').as_uri()}?mode=ro", uri=True)) as log:
        log.execute("BEGIN")  # one moment, should somebody write
        individuals = log.execute("SELECT * FROM individuals ORDER BY id").fetchall()
        evaluations = log.execute(f"SELECT {_EVALUATION} FROM evaluations ORDER BY id").fetchall()
    search = [row for row in evaluations if row[1] == "search"]
    return Rows(individuals, search, sorted((row for row in evaluations if row[1] != "search"), key=repr))


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Path], Rows]:
    """What is in the log of a run folder, also while it runs."""
    return _rows_of


def _count_rows(folder: Path, table: str, where: str) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"{(folder / 'log.db').as_uri()}?mode=ro", uri=True)) as log:
            return int(log.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not there yet


@pytest.fixture(scope="session")
def count_rows() -> Callable[..., int]:
    """How many rows of a table there are at this moment; 0 while there is no table."""
    return lambda folder, table="individuals", where="1": _count_rows(folder, table, where)


@dataclass(frozen=True)
class FinishedRun:
    """A finished run in a user's own folder."""

    folder: Path
    called: Called

    @property
    def user_folder(self) -> Path:
        return self.folder.parent

    def open(self) -> Store:
        """Its log."""
        return Store.open(self.folder / "log.db")


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, command_in: Callable[[Path], CommandLine]
) -> FinishedRun:
    """One run of the real command with two real Ray workers, looked at by many tests.

    The folder it is started in holds modules with the names of our rooms; importing one of them fails.
    """
    folder = tmp_path_factory.mktemp("user")
    (folder / "configs").mkdir()
    for name in ("search.py", "results.py", "configs/__init__.py"):
        (folder / name).write_text(f"raise RuntimeError('the user\\'s own {name} was imported')\n")
    options = (
        "--config",
        "quickstart",
        "--out",
        "found",
        "--workers",
        "2",
        "--seed",
        "1",
        *SMALL,
        *SIMPLIFYING,
    )
    return FinishedRun(folder / "found", command_in(folder)("run", *options))


@pytest.fixture(scope="session")
def log(finished: FinishedRun) -> Iterator[Store]:
    """The log of the finished run."""
    store = finished.open()
    yield store
    store.close()


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Called]:
    """The command line in this process; what it does not catch, and so a person's traceback, fails a test."""

    def call(*arguments: str | Path) -> Called:
        monkeypatch.setattr(sys, "argv", ["lion-search", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        status: int | str | None = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as stop:
                status = stop.code
        return Called(status if isinstance(status, int) else int(status is not None), *map(_text, (out, err)))

    return call


def _text(stream: io.StringIO) -> str:
    return stream.getvalue()


@pytest.fixture(scope="session")
def individuals_of() -> Callable[[Store], list[Individual]]:
    """All individuals of a log, in its order."""
    return lambda store: list(store.individuals())


@pytest.fixture(scope="session")
def checked_log() -> Callable[..., list[Individual]]:
    """Checks that a log is a consistent prefix of a search, however it ended; gives its individuals."""

    def check(store: Store, *, num_seeds: int = 1) -> list[Individual]:
        individuals = list(store.individuals())
        assert [individual.id for individual in individuals] == list(range(sum(store.counts().values())))
        trainings: dict[int, list[Evaluation]] = {individual.id: [] for individual in individuals}
        for evaluation in store.evaluations(stage=Stage.SEARCH):
            if evaluation.subject != BASELINE_SUBJECT:
                assert evaluation.individual_id is not None
                trainings[evaluation.individual_id].append(evaluation)
        known: dict[str, int] = {}
        proposed: set[str] = set()
        for individual in individuals:
            assert individual.hash == functional_hash(parse(individual.program))
            own = [e.score for e in trainings[individual.id] if e.subject == individual.hash]
            if individual.outcome in NOVEL:
                assert individual.scored_id == individual.id
                # What was kept of another one that was in flight may be the same: that is found later.
                assert individual.proposed_hash not in proposed
                known[individual.proposed_hash] = individual.id
                assert individual.status is overall_status(own)
                assert len(own) == num_seeds or individual.status is not Status.OK
            elif individual.outcome in TRAINED:
                assert own
            else:
                assert trainings[individual.id] == []
            proposed.add(individual.proposed_hash)
            known.setdefault(individual.proposed_hash, individual.scored_id)
            known.setdefault(individual.hash, individual.scored_id)
            _check_scores_are_shared(individual, individuals, known)
        return individuals

    return check


def _check_scores_are_shared(
    individual: Individual, individuals: Sequence[Individual], known: Mapping[str, int]
) -> None:
    """An individual that was not new refers to the one that was, and the outcome says how it is known."""
    scored = individuals[individual.scored_id]
    assert scored.outcome in NOVEL
    if individual.outcome in HITS:
        assert scored.id < individual.id
        assert individual.status is scored.status
    if individual.outcome is Outcome.FINGERPRINT:
        assert individual.fingerprint == scored.fingerprint is not None
    else:
        assert known[individual.proposed_hash] == individual.scored_id
    parent = None if individual.parent_id is None else individuals[individual.parent_id]
    is_like_parent = parent is not None and parent.hash == individual.proposed_hash
    if individual.outcome in HITS:
        assert is_like_parent == (individual.outcome is Outcome.SAME_AS_PARENT)
