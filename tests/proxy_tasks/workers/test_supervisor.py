"""Whatever a job does to its process is that job's outcome in time, and nobody else's.

No Ray here: a supervisor needs none.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import Start, line_of

from lion_search.proxy_tasks.workers.pool import Failure, FailureKind, JobLimits, PoolError
from lion_search.proxy_tasks.workers.supervisor import Supervisor, resident_bytes

HERE = Path(__file__).parent
SECONDS = 1.0
"""Of one job."""
MEBIBYTES = 200
GRACE_SECONDS = 5.0
"""What the contract allows beyond a limit."""
LIMITS = JobLimits(seconds_per_job=SECONDS, memory_bytes=MEBIBYTES * 2**20)
PATIENT = JobLimits(seconds_per_job=60.0, memory_bytes=MEBIBYTES * 2**20)

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make_supervisor() -> Iterator[MakeSupervisor]:
    made = []

    def make(
        factory: str = "make",
        limits: JobLimits = LIMITS,
        environment: dict[str, str] | None = None,
        batched: bool = False,
    ) -> Supervisor:
        made.append(
            Supervisor(
                pickle.dumps(f"pool_jobs:{factory}"), partial(dict, environment or {}), limits, batched
            )
        )
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.close()


@pytest.fixture
def supervisor(make_supervisor: MakeSupervisor) -> Supervisor:
    return make_supervisor()


def evaluate(supervisor: Supervisor, *jobs: tuple[str, Any]) -> list[tuple[Any, Failure | None]]:
    """Values and failures of all jobs, in order; what the supervisor leaves is handed in again."""
    replies: list[bytes] = []
    while len(replies) < len(jobs):
        replies += supervisor.evaluate([pickle.dumps(job) for job in jobs[len(replies) :]])
    return [pickle.loads(reply) for reply in replies]


def values(supervisor: Supervisor, *jobs: tuple[str, Any]) -> list[Any]:
    results = evaluate(supervisor, *jobs)
    assert [failure for _, failure in results] == [None] * len(jobs)
    return [value for value, _ in results]


def failure_of(supervisor: Supervisor, *jobs: tuple[str, Any]) -> Failure:
    """What became of the last job."""
    (*_, (_, failure)) = evaluate(supervisor, *jobs)
    assert failure is not None
    return failure


def is_gone(pid: int) -> bool:
    """Whether a process ends within a few seconds; a zombie that nobody has asked about has ended."""
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")


# Faults.

FAULTS = [
    ("sleep", 1000.0, FailureKind.TIMED_OUT, "longer than 1 s"),
    ("sigstop", None, FailureKind.TIMED_OUT, "longer than 1 s"),
    ("print_forever", None, FailureKind.TIMED_OUT, "longer than 1 s"),
    ("allocate", None, FailureKind.OUT_OF_MEMORY, "more than 200 MiB"),
    ("allocate_below", None, FailureKind.OUT_OF_MEMORY, "more than 200 MiB"),
    ("raise_type", "memory", FailureKind.OUT_OF_MEMORY, "MemoryError: 8 bytes"),
    ("raise_type", "exhausted", FailureKind.OUT_OF_MEMORY, "RuntimeError: RESOURCE_EXHAUSTED"),
    ("sigkill", None, FailureKind.DIED, "killed by SIGKILL"),
    ("abort", "Check failed: x", FailureKind.DIED, "SIGABRT\nfirst line\nCheck failed: x"),
    ("exit", None, FailureKind.DIED, "exited with status 3"),
    ("fork_and_exit", None, FailureKind.DIED, "exited with status 3"),
    ("close_all", None, FailureKind.DIED, "it died twice"),
    ("close_all_and_sleep", None, FailureKind.DIED, "closed the connection"),
    ("raise", 1, FailureKind.RAISED, "ValueError: no 1"),
    ("raise_type", "system_exit", FailureKind.RAISED, "SystemExit: 5"),
    ("raise_type", "interrupt", FailureKind.RAISED, "KeyboardInterrupt"),
    ("raise_type", "unreadable", FailureKind.RAISED, "_UnreadableError"),
    ("lock", None, FailureKind.RAISED, "its result cannot be pickled: TypeError"),
]


@pytest.mark.parametrize(
    ("name", "argument", "kind", "reason"), FAULTS, ids=[f"{name}-{value}" for name, value, *_ in FAULTS]
)
def test_a_fault_is_the_failure_of_its_job_in_time_and_of_no_other(
    make_supervisor: MakeSupervisor, name: str, argument: object, kind: FailureKind, reason: str
) -> None:
    # With little time a slow machine could end what is to end by itself; but memory runs out before an hour.
    supervisor = make_supervisor(limits=LIMITS if kind is FailureKind.TIMED_OUT else PATIENT)
    assert values(supervisor, ("square", 1)) == [1], "ready, so that its start is not counted below"
    started = time.monotonic()
    before, (value, failure), *after = evaluate(
        supervisor, ("square", 2), (name, argument), ("square", 3), ("square", 4)
    )
    seconds = time.monotonic() - started
    assert (value, failure and failure.kind) == (None, kind)
    assert failure is not None
    assert reason in failure.reason
    assert [before, *after] == [(4, None), (9, None), (16, None)]
    # With new processes where one was lost; on a busy machine a job that works has its time later.
    assert seconds < SECONDS + GRACE_SECONDS or name == "print_forever"


@pytest.mark.parametrize(
    ("kind", "reason", "name", "argument"),
    [
        (FailureKind.OUT_OF_MEMORY, "RESOURCE_EXHAUSTED", "jax_zeros", 2**46),
        pytest.param(FailureKind.DIED, "no_such_flag", "abort_xla", None, marks=pytest.mark.large),
    ],
)
def test_faults_of_jax_itself(
    make_supervisor: MakeSupervisor, kind: FailureKind, reason: str, name: str, argument: object
) -> None:
    supervisor = make_supervisor(limits=JobLimits(60.0), environment={"JAX_PLATFORMS": "cpu"})
    (_, failure), (value, _) = evaluate(supervisor, (name, argument), ("square", 3))
    assert failure is not None
    assert (failure.kind, value) == (kind, 9)
    assert reason in failure.reason


def test_a_job_is_tried_again_when_its_process_died(supervisor: Supervisor, tmp_path: Path) -> None:
    assert values(supervisor, ("exit_once", str(tmp_path / "seen"))) == ["second"]


def test_the_second_attempt_has_the_time_that_the_first_one_left(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """Half a second, and it takes 0.8."""
    failure = failure_of(supervisor, ("exit_then_sleep", str(tmp_path / "seen")))
    assert failure == Failure(FailureKind.DIED, "its process exited with status 3")


def test_what_costs_no_process_costs_no_process(supervisor: Supervisor) -> None:
    first, _, _, last = evaluate(supervisor, ("pid", None), ("raise", 1), ("lock", None), ("pid", None))
    assert first == last


def test_a_batch_ends_with_the_job_that_cost_the_process(supervisor: Supervisor) -> None:
    """So that no outcome waits until a new evaluator is compiled."""
    jobs = [("square", 2), ("sleep", 1000.0), ("square", 3)]
    assert len(supervisor.evaluate([pickle.dumps(job) for job in jobs])) == 2


def test_a_job_that_dies_after_its_result_spoils_no_other(supervisor: Supervisor) -> None:
    jobs = [("exit_later", 0.1), ("sleep", 0.3), ("square", 3)]
    assert values(supervisor, *jobs) == [None, 0.3, 9]


@needs_proc
def test_a_process_killed_while_idle_is_replaced(supervisor: Supervisor, tmp_path: Path) -> None:
    """And the next job is not to blame: it has both of its attempts."""
    (victim,) = values(supervisor, ("pid", None))
    os.kill(victim, signal.SIGKILL)
    os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)
    second, successor = values(supervisor, ("exit_once", str(tmp_path / "seen")), ("pid", None))
    assert second == "second"
    assert successor != victim


def test_a_job_that_forks_has_one_result(supervisor: Supervisor) -> None:
    jobs = [job for number in range(5) for job in (("fork", number), ("square", number))]
    assert values(supervisor, *jobs) == [result for n in range(5) for result in (n, n * n)]


def test_payloads_and_results_of_any_size_pass(make_supervisor: MakeSupervisor) -> None:
    supervisor = make_supervisor(limits=JobLimits(60.0))
    payload = os.urandom(2**24)
    assert values(supervisor, ("twice", payload), ("twice", b""), ("twice", payload)) == [
        payload + payload,
        b"",
        payload + payload,
    ]


def test_what_a_job_prints_is_no_result_and_blocks_nothing(supervisor: Supervisor) -> None:
    assert values(supervisor, ("print", 300_000), ("square", 3), ("print", 1)) == [None, 9, None]


def test_a_reason_tells_the_last_words_of_its_own_job_only(make_supervisor: MakeSupervisor) -> None:
    supervisor = make_supervisor("make_aloud")
    reason = failure_of(supervisor, ("print", 10), ("exit", None)).reason
    assert "x" not in reason.replace("exited", "")
    assert "factory" not in reason


@pytest.mark.parametrize(("name", "length"), [("huge", 1100), ("surrogate", 50)])
def test_a_reason_can_be_stored(supervisor: Supervisor, name: str, length: int) -> None:
    reason = failure_of(supervisor, ("raise_type", name)).reason
    assert len(reason.encode()) < length
    assert "\0" not in reason


def test_last_words_are_few(supervisor: Supervisor) -> None:
    words = "\n".join(f"{n} \udcff".ljust(400) for n in range(100))
    reason = failure_of(supervisor, ("abort", words)).reason
    assert len(reason.splitlines()) <= 21
    assert len(reason.encode()) < 15_000
    assert reason.splitlines()[-1].startswith("99")


def test_without_limits_nothing_is_cut_short(make_supervisor: MakeSupervisor) -> None:
    supervisor = make_supervisor(limits=JobLimits())
    assert values(supervisor, ("sleep", 0.2), ("square", 2)) == [0.2, 4]


# Time.

TIMED = """
import pickle, sys
sys.path.insert(0, {here!r})
from lion_search.proxy_tasks.workers.pool import JobLimits
from lion_search.proxy_tasks.workers.supervisor import Supervisor
supervisor = Supervisor(pickle.dumps("pool_jobs:make"), dict, JobLimits(seconds_per_job=1.5))
(reply,) = supervisor.evaluate([pickle.dumps(("pid", None))])
print(pickle.loads(reply)[0], flush=True)
(reply,) = supervisor.evaluate([pickle.dumps({job!r})])
print(pickle.loads(reply))
"""


@pytest.mark.parametrize("who", ["all", "the supervisor"])
@pytest.mark.parametrize("job", [("work", 0.7), ("sleep", 0.7)])
def test_time_that_passes_while_all_is_stopped_is_not_the_jobs(
    start_script: Start, who: str, job: tuple[str, float]
) -> None:
    process = start_script(TIMED.format(here=str(HERE), job=job))
    pids = [process.pid, int(line_of(process))][: 2 if who == "all" else 1]
    time.sleep(0.2)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            os.kill(pid, number)
        time.sleep(3.0 * (number == signal.SIGSTOP))
    assert line_of(process) == "(0.7, None)"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel tells nothing of waiting")
@pytest.mark.parametrize("job", ["work_among_others", "work_in_a_thread_among_others"])
def test_time_in_which_others_have_the_core_is_not_the_jobs(supervisor: Supervisor, job: str) -> None:
    """Half of the limit, and it takes twice the limit."""
    assert values(supervisor, (job, 0.5)) == [0.5]


@pytest.mark.parametrize("job", ["work_among_others", "work_in_a_thread_among_others"])
def test_a_job_that_works_too_long_is_ended_among_others_too(supervisor: Supervisor, job: str) -> None:
    assert failure_of(supervisor, (job, 60.0)).kind is FailureKind.TIMED_OUT


# The process.


def test_the_environment_reaches_the_process_and_not_this_one(make_supervisor: MakeSupervisor) -> None:
    supervisor = make_supervisor(environment={"SUPERVISOR_TEST": "set"})
    assert values(supervisor, ("environment", "SUPERVISOR_TEST"), ("environment", "PATH")) == [
        "set",
        os.environ["PATH"],
    ]
    assert "SUPERVISOR_TEST" not in os.environ


def test_the_process_has_a_session_of_its_own(supervisor: Supervisor) -> None:
    """Ctrl-C in a terminal reaches all of the foreground's process group, and no other session."""
    (pid,) = values(supervisor, ("pid", None))
    assert os.getsid(pid) == pid != os.getsid(0)


def test_modules_in_the_folder_of_the_driver_are_not_in_the_way(
    make_supervisor: MakeSupervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("socket", "pickle", "enum", "lion_search"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name}.py of the user')")
    monkeypatch.chdir(tmp_path)
    assert values(make_supervisor(), ("square", 2)) == [4]


def test_a_supervisor_imports_nothing_heavy() -> None:
    code = "import sys, lion_search.proxy_tasks.workers.supervisor; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"jax", "numpy", "ray", "psutil", "sklearn"} & set(modules.split())


BLOCK = "import os, subprocess, sys; block = b'x' * {}; {}; print(flush=True); sys.stdin.read()"
BELOW = BLOCK.format(30_000_000, "pass")
MEMORY = {
    "what it starts counts": (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BELOW!r}])",
        1,
        (35_000_000, 90_000_000),
    ),
    "a copy counts once": (BLOCK.format(100_000_000, "os.fork()"), 2, (100_000_000, 150_000_000)),
}


@needs_proc
@pytest.mark.parametrize("case", MEMORY)
def test_memory_of_a_process_and_those_below(case: str, start_script: Start) -> None:
    code, num_printing, (least, most) = MEMORY[case]
    process = start_script(code)
    for _ in range(num_printing):
        line_of(process)
    assert least < resident_bytes(process.pid) < most
    process.communicate("")


# Starting.


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("make_refusing", r"\Ano data in /data: download it first\Z"),
        ("make_broken", r"\Aa worker could not start: RuntimeError: cannot build\Z"),
        ("make_exiting", r"\Aa worker could not start: SystemExit: no licence\Z"),
        ("nothing", r"could not start: AttributeError: .*has no attribute 'nothing'"),
        ("make_dying", r"\A3 workers in a row ended while starting; the last: its process exited .* 4\Z"),
        ("make_dying_aloud", r"status 4\nline 19980\n(line \d+\n)*line 19999\Z"),
        ("make_slow", r"ended while starting; the last: it took longer than 0.8 s\nloading\Z"),
        ("make_greedy", r"could not start, without any job: it took more than 200 MiB"),
    ],
)
def test_a_worker_that_cannot_start_is_an_error_that_says_why(
    make_supervisor: MakeSupervisor, factory: str, message: str
) -> None:
    seconds = 0.8 if factory == "make_slow" else 60.0
    supervisor = make_supervisor(factory, JobLimits(None, MEBIBYTES * 2**20, seconds))
    started = time.monotonic()
    with pytest.raises(PoolError, match=message):
        supervisor.start()
    assert time.monotonic() - started < 3 * (0.8 + GRACE_SECONDS)


def test_an_evaluator_without_a_result_fails_its_job(make_supervisor: MakeSupervisor) -> None:
    failure = failure_of(make_supervisor("make_forgetful"), ("square", 1))
    assert "the evaluator returned 0 results for 1 payload(s)" in failure.reason


# No process is left.


@needs_proc
@pytest.mark.parametrize("job", ["square", "sigstop"])
def test_closing_ends_the_process_and_what_it_has_started(supervisor: Supervisor, job: str) -> None:
    pids = values(supervisor, ("pid", None), ("start_process", None))
    evaluate(supervisor, (job, 1))
    supervisor.close()
    supervisor.close()
    assert all(map(is_gone, pids))


@needs_proc
def test_a_lost_process_takes_what_it_has_started_with_it(supervisor: Supervisor) -> None:
    (below,) = values(supervisor, ("start_process", None))
    evaluate(supervisor, ("exit", None))
    assert is_gone(below)


@needs_proc
@pytest.mark.parametrize("job", ["sleep", "sigstop"])
def test_kill_9_of_the_supervisor_ends_the_process(job: str) -> None:
    code = f"""
import json, pickle, sys
sys.path.insert(0, {str(HERE)!r})
from lion_search.proxy_tasks.workers.pool import JobLimits
from lion_search.proxy_tasks.workers.supervisor import Supervisor
supervisor = Supervisor(pickle.dumps("pool_jobs:make"), dict, JobLimits())
(reply,) = supervisor.evaluate([pickle.dumps(("pid", None))])
print(json.dumps(pickle.loads(reply)[0]), flush=True)
supervisor.evaluate([pickle.dumps(({job!r}, 1000.0))])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())
        time.sleep(0.2)
        assert not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
        process.kill()
    assert is_gone(pid)


def test_nothing_stays_open(make_supervisor: MakeSupervisor) -> None:
    def num_open() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before = num_open()
    with closing(make_supervisor()) as supervisor:
        for _ in range(3):
            evaluate(supervisor, ("exit", None))
    assert num_open() == before


# Jobs that are evaluated in one call.

SQUARES = [("square", n) for n in range(4)]


def test_jobs_go_as_a_batch_where_asked_for(make_supervisor: MakeSupervisor) -> None:
    batched = make_supervisor("make_batch", batched=True)
    assert values(batched, *SQUARES) == [(0, 4), (1, 4), (4, 4), (9, 4)]
    assert values(make_supervisor("make_batch"), *SQUARES) == [(0, 1), (1, 1), (4, 1), (9, 1)]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (("raise", "x"), FailureKind.RAISED),
        (("sigkill", None), FailureKind.DIED),
        (("sleep", 60), FailureKind.TIMED_OUT),
        (("allocate", None), FailureKind.OUT_OF_MEMORY),
    ],
)
def test_a_bad_job_among_them_spoils_no_other(
    make_supervisor: MakeSupervisor, bad: tuple[str, Any], kind: FailureKind
) -> None:
    limits = LIMITS if kind is FailureKind.TIMED_OUT else PATIENT
    batched = make_supervisor("make_batch", limits, batched=True)
    (*first, (value, failure), last) = evaluate(batched, *SQUARES[:2], bad, SQUARES[2])
    assert first == [((0, 1), None), ((1, 1), None)]
    assert value is None
    assert failure.kind is kind
    assert last == ((4, 1), None)
