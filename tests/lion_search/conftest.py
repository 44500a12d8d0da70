"""The command line as a person meets it: in this process, or as real processes in a folder of their own."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NamedTuple

import psutil
import pytest
from baselines import write_baselines

from lion_search import cli
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.scores import Status, overall_status
from lion_search.results.records import (
    BASELINE_SUBJECT,
    HITS,
    NOVEL,
    TRAINED,
    Individual,
    Outcome,
    Stage,
)
from lion_search.results.store import Store

COMMAND = Path(sys.executable).with_name("lion-search")
MARK = "LION_SEARCH_TEST_MARK"
_TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in _TERMINAL} | {
    "JAX_PLATFORMS": "cpu"
}
"""Of real processes: no terminal, no accelerator."""


def _set(**values: str) -> tuple[str, ...]:
    """Options that set keys of the configuration; two underlines stand for a dot."""
    return tuple(f"--set={key.replace('__', '.')}={value}" for key, value in values.items())


PLAIN = (
    *_set(tasks__0__name="digits_mlp", initial="adamw", search__niches="none", search__schedule="program"),
    *_set(mutation__until_changed="0.0", mutation__wrap="0.0", mutation__duplicate="0.0"),
    *_set(search__update_scales="[1.0]", search__population="500", prices__statement="0.0"),
    *_set(noise__max_seeds="null", noise__hits="3", noise__near="2.0", noise__caution="1.0"),
    *_set(hurdle__percentile="null", hurdle__rejects="false", hurdle__window="1000"),
    *_set(selection__tuned="0", simplification__how_far="redundancy"),
)
"""A search without the quickstart's policies: one population, and programs are all trained on the same seeds;
and no tuning, no proofs nor experiments at its end, which take seconds."""
SMALL = (
    *PLAIN,
    *_set(budget__programs="300", search__population="50", search__lag="32", tasks__0__seeds="1"),
    *_set(selection__finalists="2", selection__validation_seeds="8", selection__test_seeds="8"),
)
"""A run of seconds, once everything is compiled."""
SIMPLIFYING = _set(simplification__how_far="experiments", simplification__minutes="0.03")
"""What makes its winner readable all the same."""
TINY = ("--config=quickstart", *PLAIN, *_set(tasks__0__name="tiny:sine", budget__minutes="null"))
"""A run on the task of ``tiny.py``, whose trainings take a millisecond."""
POLICIES = (
    *TINY,
    *_set(budget__programs="1000", mutation__until_changed="0.3", search__population="60"),
    *_set(search__repeats="2", search__plateau="100", search__update_scales="[1.0, 0.5, 0.25]"),
    *_set(noise__max_seeds="8", hurdle__percentile="60", hurdle__rejects="true", tasks__0__seeds="2"),
    *_set(selection__finalists="6", selection__validation_seeds="200", selection__test_seeds="400"),
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
    _seen: set[psutil.Process] = field(default_factory=set)

    @property
    def out(self) -> str:
        return self.out_path.read_text()

    @property
    def err(self) -> str:
        return self.err_path.read_text()

    def family(self) -> dict[int, str]:
        """Command lines, by process id, of the processes that live: the command and all its descendants."""
        members: dict[int, str] = {}
        for process in sorted(psutil.process_iter(), key=lambda p: (p.create_time(), p.pid)):
            with contextlib.suppress(psutil.Error):  # it may end at any moment
                is_command = process.pid == self.process.pid and self.process.returncode is None
                is_known = is_command or process in self._seen or process.ppid() in members
                is_there = process.status() != psutil.STATUS_ZOMBIE
                if is_there and (is_known or process.environ().get(MARK) == self.mark):
                    self._seen.add(process)
                    members[process.pid] = " ".join(process.cmdline())
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


class Rows(NamedTuple):
    """All that is in a log but times: the individuals, and the trainings of the search, in their order."""

    individuals: list[Any]
    search: list[Any]
    others: list[Any]
    """Trainings of other stages, which are logged as they end; sorted."""

    def is_beginning(self, of: Rows) -> bool:
        """Whether individuals and trainings of the search are the first ones of another log."""
        return (
            self.individuals == of.individuals[: len(self.individuals)]
            and self.search == of.search[: len(self.search)]
        )


@dataclass(frozen=True)
class RunFolder:
    """A run's folder, and how the command that made it ended."""

    folder: Path
    called: Called = field(default_factory=lambda: Called(0, "", ""))

    @property
    def user_folder(self) -> Path:
        """The folder of the user, in which it was begun."""
        return self.folder.parent

    @property
    def command(self) -> CommandLine:
        """The command in that folder."""
        return CommandLine(self.user_folder)

    @property
    def result(self) -> Any:
        """What is in its ``result.json``."""
        return json.loads((self.folder / "result.json").read_text())

    def open(self) -> contextlib.closing[Store]:
        """Its log, to be used in a ``with`` statement."""
        return contextlib.closing(Store.open(self.folder / "log.db"))

    def rows(self) -> Rows:
        """What is in its log at this moment."""
        columns = "individual_id, stage, subject, task, part, seed, status, loss, num_steps, reason"
        with self._read() as log:
            log.execute("BEGIN")  # one moment, should somebody write
            individuals = log.execute("SELECT * FROM individuals ORDER BY id").fetchall()
            evaluations = log.execute(f"SELECT {columns} FROM evaluations ORDER BY id").fetchall()
        search = [row for row in evaluations if row[1] == "search"]
        return Rows(individuals, search, sorted((row for row in evaluations if row[1] != "search"), key=repr))

    def count(self, table: str = "individuals", where: str = "1") -> int:
        """How many rows of a table there are at this moment; 0 while there is no table."""
        try:
            with self._read() as log:
                return int(log.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def change(self, statement: str, *values: Any) -> None:
        """Changes one row of its log, as nobody should."""
        with contextlib.closing(sqlite3.connect(self.folder / "log.db")) as log, log:
            log.execute(statement, values)
            assert log.total_changes == 1

    def _read(self) -> contextlib.closing[sqlite3.Connection]:
        uri = f"{(self.folder / 'log.db').as_uri()}?mode=ro"
        return contextlib.closing(sqlite3.connect(uri, uri=True))

    def files(self) -> dict[str, tuple[bytes, int]]:
        """All files with what they hold and when they were written; the lock is not part of the run."""
        return {
            str(path.relative_to(self.folder)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != "lock"
        }

    def check_same(self, other: RunFolder) -> None:
        """Checks that log and result are those of another run, but for times and names."""
        ours, theirs = self.rows(), other.rows()
        assert ours.individuals == theirs.individuals
        assert ours.search == theirs.search
        assert ours.others == theirs.others
        assert self.lasting_result() == other.lasting_result()

    def lasting_result(self) -> dict[str, Any]:
        """What must be the same in the result of two runs."""
        kept = {key: self.result[key] for key in ("program", "finalists", "test", "judged_by", "exports")}
        timed = {"seconds", "seconds_in_store", "seconds_left", "stopped_share"}
        return {**kept, "search": {k: v for k, v in self.result["search"].items() if k not in timed}}

    def checked(self, *, num_seeds: int = 1) -> list[Individual]:
        """Checks that its log is a consistent prefix of a search, however it ended; gives its individuals."""
        with self.open() as store:
            individuals = list(store.individuals())
            assert [individual.id for individual in individuals] == list(range(sum(store.counts().values())))
            evaluations = store.evaluations(stage=Stage.SEARCH)
        trainings: dict[int | None, list[Any]] = {individual.id: [] for individual in individuals}
        for evaluation in evaluations:
            if evaluation.subject != BASELINE_SUBJECT:
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


@dataclass
class CommandLine:
    """The console command, run in a folder as real processes."""

    folder: Path
    _running: list[Running] = field(default_factory=list)

    def __call__(self, *arguments: str | Path, timeout_seconds: float = 280, **environment: str) -> Called:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    def run(self, name: str, *arguments: str | Path, **options: Any) -> RunFolder:
        """A whole run into a folder of that name, which must end well."""
        called = self("run", f"--out={name}", *arguments, **options)
        assert called.status == 0, called.err
        return RunFolder(self.folder / name, called)

    def resume(self, name: str, *arguments: str) -> RunFolder:
        """A run gone on with to its end, which must end well."""
        called = self("resume", name, *arguments)
        assert called.status == 0, called.err
        return RunFolder(self.folder / name, called)

    def start(self, *arguments: str | Path, stdout: IO[bytes] | None = None, **environment: str) -> Running:
        """Starts it and does not wait."""
        mark = uuid.uuid4().hex
        out_path, err_path = (self.folder / f"{mark}.{kind}" for kind in ("out", "err"))
        with out_path.open("wb") as out, err_path.open("wb") as err:
            process = subprocess.Popen(
                [COMMAND, *arguments],
                cwd=self.folder,
                env={**ENVIRONMENT, **environment, MARK: mark},
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


@pytest.fixture(scope="session")
def environment() -> Mapping[str, str]:
    """The environment of real processes."""
    return ENVIRONMENT


@pytest.fixture(scope="session")
def options() -> SimpleNamespace:
    """Options of small runs."""
    return SimpleNamespace(small=SMALL, simplifying=SIMPLIFYING, tiny=TINY, policies=POLICIES)


@pytest.fixture(scope="session")
def run_in() -> Callable[..., RunFolder]:
    """A folder as that of a run."""
    return RunFolder


@pytest.fixture
def command(tmp_path: Path) -> Iterator[CommandLine]:
    """The console command as real processes, in an empty folder."""
    line = CommandLine(tmp_path)
    yield line
    line.end_all()


def _make_tiny(folder: Path) -> None:
    """Puts the tiny task and its baselines where a user has theirs."""
    shutil.copy(Path(__file__).with_name("tiny.py"), folder)
    write_baselines(folder, "tiny:sine", steps=30)


@pytest.fixture
def tiny(command: CommandLine) -> CommandLine:
    """The command in a folder with the tiny task."""
    _make_tiny(command.folder)
    return command


@pytest.fixture(scope="session")
def tiny_in() -> Callable[[Path], CommandLine]:
    """The command in some folder, into which the tiny task is put."""

    def make(folder: Path) -> CommandLine:
        _make_tiny(folder)
        return CommandLine(folder)

    return make


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[CommandLine], Called]) -> RunFolder:
    """A run of that name, made once for many tests, also for those in other processes of pytest."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"user-{name}"
    folder.mkdir(exist_ok=True)
    done = folder.with_suffix(".json")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_text(json.dumps(asdict(make(CommandLine(folder)))))
    called = Called(**json.loads(done.read_text()))
    assert called.status == 0, called.err
    return RunFolder(folder / name, called)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of the quickstart, smaller, with two real Ray workers.

    The folder it is started in holds modules with the names of our rooms; importing one of them fails.
    """

    def make(command: CommandLine) -> Called:
        (command.folder / "configs").mkdir()
        for name in ("search.py", "results.py", "configs/__init__.py"):
            (command.folder / name).write_text(
                f"raise RuntimeError('the user\\'s own {name} was imported')\n"
            )
        return command(
            "run", "--config=quickstart", "--out=found", "--workers=2", "--seed=1", *SMALL, *SIMPLIFYING
        )

    return _once(tmp_path_factory, "found", make)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on the tiny task with everything a search can do and two Ray workers, which nothing disturbs."""

    def make(command: CommandLine) -> Called:
        _make_tiny(command.folder)
        return command("run", *POLICIES, "--out=r", "--workers=2")

    return _once(tmp_path_factory, "r", make)


@pytest.fixture
def copy(tiny: CommandLine, undisturbed: RunFolder) -> RunFolder:
    """The undisturbed run again, in a folder with its task, to be resumed."""
    shutil.copytree(undisturbed.folder, tiny.folder / "r")
    return RunFolder(tiny.folder / "r")


@pytest.fixture(scope="session")
def log(finished: RunFolder) -> Iterator[Store]:
    """The log of the finished run."""
    with finished.open() as store:
        yield store


@pytest.fixture(scope="session")
def individuals(log: Store) -> Sequence[Individual]:
    """The individuals of the finished run, in the order of its log."""
    return list(log.individuals())


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
        return Called(
            status if isinstance(status, int) else int(status is not None), out.getvalue(), err.getvalue()
        )

    return call


@pytest.fixture
def in_folder(
    main: Callable[..., Called], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Callable[..., Called]]]:
    """The command line in this process, as if started in a folder that holds a module of the user's."""
    mine: list[str] = []

    def forget() -> None:
        importlib.invalidate_caches()
        load_baselines.cache_clear()
        for module in mine:
            sys.modules.pop(module, None)

    def go(folder: Path, module: str) -> Callable[..., Called]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
        mine.append(module)
        forget()
        return main

    yield go
    forget()
