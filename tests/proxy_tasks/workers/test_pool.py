"""One contract for both pools, and what only processes can show: workers that die, and limits.

All tests of this file share one :class:`RayPool`, since starting Ray takes seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lion_search.proxy_tasks.workers.pool import (
    Failure,
    FailureKind,
    Finished,
    InlinePool,
    JobLimits,
    Pool,
    PoolError,
    build,
)  # fmt: skip
from lion_search.proxy_tasks.workers.ray_pool import RayPool

# Ray starts its processes by a fork, and JAX warns if it happens to be imported here by other tests.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

PATIENCE_SECONDS = 60.0
SECONDS = 2.0
"""Of one job on the workers."""
GRACE_SECONDS = 5.0
"""What the contract allows beyond a limit."""


def drain(pool: Pool) -> dict[int, Finished]:
    """Waits for every job in flight."""
    outcomes: list[Finished] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while pool.in_flight:
        assert time.monotonic() < deadline, f"{pool.in_flight} jobs never came back"
        outcomes += pool.wait(1.0)
    assert len({o.job_id for o in outcomes}) == len(outcomes)
    return {o.job_id: o for o in outcomes}


def values(pool: Pool) -> dict[int, object]:
    return {number: outcome.value for number, outcome in drain(pool).items()}


@pytest.fixture(scope="module")
def ray_pool() -> Iterator[RayPool]:
    before = signal.getsignal(signal.SIGTERM)
    limits = JobLimits(seconds_per_job=SECONDS, memory_bytes=300 * 2**20)
    environment = partial(dict, POOL_TEST="set")
    made = RayPool("pool_jobs:make", num_workers=2, batch_size=4, environment=environment, limits=limits)
    assert signal.getsignal(signal.SIGTERM) is before, "Ray keeps the driver's SIGTERM"
    yield made
    made.close()
    made.close()


@pytest.fixture
def inline_pool() -> Iterator[InlinePool]:
    made = InlinePool("pool_jobs:make", batch_size=4)
    yield made
    made.close()


@pytest.fixture(params=["inline_pool", "ray_pool"])
def pool(request: pytest.FixtureRequest) -> Pool:
    found: Pool = request.getfixturevalue(request.param)
    return found


class TestContract:
    def test_every_job_has_one_outcome_that_names_it(self, pool: Pool) -> None:
        for number in range(30):
            pool.submit(number, ("square", number))
        assert values(pool) == {number: number**2 for number in range(30)}

    def test_jobs_are_in_flight_until_they_are_handed_back(self, pool: Pool) -> None:
        assert pool.in_flight == 0
        for number in range(11):
            pool.submit(number, ("square", number))
        assert pool.in_flight == 11
        handed_back = len(pool.wait(PATIENCE_SECONDS))
        assert handed_back > 0
        assert pool.in_flight == 11 - handed_back
        drain(pool)

    def test_a_job_that_raises_spoils_no_other(self, pool: Pool) -> None:
        for number in range(8):
            pool.submit(number, ("raise" if number == 5 else "square", number))
        outcomes = drain(pool)
        assert outcomes[5] == Finished(5, failure=Failure(FailureKind.RAISED, "ValueError: no 5"))
        assert [number for number, outcome in outcomes.items() if outcome.failure is not None] == [5]

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("memory", FailureKind.OUT_OF_MEMORY),
            ("exhausted", FailureKind.OUT_OF_MEMORY),
            ("system_exit", FailureKind.RAISED),
            ("unreadable", FailureKind.RAISED),
        ],
    )
    def test_what_a_job_raises_is_its_failure(self, pool: Pool, name: str, kind: FailureKind) -> None:
        pool.submit(0, ("raise_type", name))
        pool.submit(1, ("square", 2))
        outcomes = drain(pool)
        assert outcomes[0].failure is not None
        assert (outcomes[0].failure.kind, outcomes[1]) == (kind, Finished(1, 4))

    def test_an_empty_pool_hands_back_nothing_and_does_not_wait(self, pool: Pool) -> None:
        start = time.monotonic()
        assert pool.wait(PATIENCE_SECONDS) == []
        assert time.monotonic() - start < PATIENCE_SECONDS / 2

    def test_room_falls_to_zero_and_comes_back(self, pool: Pool) -> None:
        room = pool.room
        assert room > 0
        for number in range(room):
            assert pool.room == room - number
            pool.submit(number, ("square", 1))
        assert pool.room == 0
        pool.submit(room, ("square", 1))  # more than there is room for is allowed
        assert len(drain(pool)) == room + 1
        assert pool.room == room

    def test_a_partial_batch_is_not_held_back(self, pool: Pool) -> None:
        pool.submit(7, ("square", 3))
        assert drain(pool) == {7: Finished(7, 9)}

    def test_a_pool_is_a_pool(self, pool: Pool) -> None:
        """All of the contract's names, so that neither pool has a dialect."""
        assert all(hasattr(pool, name) for name in ("in_flight", "room", "submit", "wait", "close"))


def test_closing_drops_what_is_in_flight(inline_pool: InlinePool) -> None:
    inline_pool.submit(0, ("square", 2))
    inline_pool.close()
    assert inline_pool.in_flight == 0
    assert inline_pool.wait(1.0) == []


def test_an_evaluator_without_a_result_fails_its_job() -> None:
    pool = InlinePool("pool_jobs:make_forgetful")
    pool.submit(0, ("square", 2))
    assert "the evaluator returned 0 results for 1 payload(s)" in str(drain(pool)[0].failure)


def test_control_c_is_no_failure_of_a_job_in_this_process(inline_pool: InlinePool) -> None:
    inline_pool.submit(0, ("raise_type", "interrupt"))
    with pytest.raises(KeyboardInterrupt):
        inline_pool.wait(1.0)


def test_a_factory_is_a_callable_or_a_name() -> None:
    assert build("pool_jobs:make")([("square", 3)]) == [9]
    assert build(lambda: lambda payloads: [len(payloads)])([1, 2]) == [2]


@pytest.mark.parametrize("text", ["pool_jobs", "pool_jobs:", ":make", ""])
def test_a_factory_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected 'package\.module:function'"):
        build(text)


@pytest.mark.parametrize("module", ["pool", "ray_pool", "ray_cluster", "supervisor", "work"])
def test_importing_a_pool_imports_neither_ray_nor_jax(module: str) -> None:
    name = f"lion_search.proxy_tasks.workers.{module}"
    code = f"import sys, {name}; sys.exit(bool({{'ray', 'jax'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Workers.


@pytest.mark.parametrize("num_jobs", [2, 16])
def test_workers_are_other_processes_and_share_the_jobs(ray_pool: RayPool, num_jobs: int) -> None:
    """Few as well: two jobs of minutes are not one worker's batch."""
    for number in range(4):
        ray_pool.submit(number, ("sleep", 0.0))
    drain(ray_pool)
    for number in range(num_jobs):
        ray_pool.submit(number, ("pid", None))
    pids = set(values(ray_pool).values())
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_no_worker_runs_out_of_jobs_long_before_the_others(ray_pool: RayPool) -> None:
    for number in range(4):
        ray_pool.submit(number, ("sleep", 0.0))
    drain(ray_pool)
    for number in range(12):
        ray_pool.submit(number, ("pid_after", 0.1))
    few, many = sorted(Counter(values(ray_pool).values()).values())
    assert many - few <= 2


def test_workers_have_the_environment_they_are_given(ray_pool: RayPool) -> None:
    ray_pool.submit(0, ("environment", "POOL_TEST"))
    assert values(ray_pool) == {0: "set"}


def test_workers_import_no_jax_by_themselves(ray_pool: RayPool) -> None:
    """Else the environment would come too late."""
    ray_pool.submit(0, ("is_imported", "jax"))
    assert values(ray_pool) == {0: False}


FAULTS = [
    ("sleep", 1000.0, FailureKind.TIMED_OUT),
    ("sigstop", None, FailureKind.TIMED_OUT),
    ("allocate", None, FailureKind.OUT_OF_MEMORY),
    ("sigkill", None, FailureKind.DIED),
    ("abort", "Check failed", FailureKind.DIED),
    ("close_all", None, FailureKind.DIED),
    ("poison", None, FailureKind.RAISED),
    ("lock", None, FailureKind.RAISED),
]


def test_every_fault_is_the_outcome_of_its_job_and_of_no_other(ray_pool: RayPool) -> None:
    """Sixty jobs on two workers, and a fault in every seventh."""
    guilty = {7 * number + 3: fault for number, fault in enumerate(FAULTS)}
    for number in range(60):
        ray_pool.submit(number, guilty[number][:2] if number in guilty else ("square", number))
    outcomes = drain(ray_pool)
    kinds = {number: outcome.failure.kind for number, outcome in outcomes.items() if outcome.failure}
    assert kinds == {number: kind for number, (_, _, kind) in guilty.items()}
    assert {number: outcome.value for number, outcome in outcomes.items() if number not in guilty} == {
        number: number**2 for number in range(60) if number not in guilty
    }
    assert "SIGABRT\nfirst line\nCheck failed" in str(getattr(outcomes[31].failure, "reason", ""))


def test_an_outcome_comes_in_time_and_waits_for_no_other_of_its_batch(ray_pool: RayPool) -> None:
    """Each of the two workers has two; the first ones of both may end at one moment."""
    started = time.monotonic()
    for number in range(4):
        ray_pool.submit(number, ("sleep", 1000.0))
    first = ray_pool.wait(PATIENCE_SECONDS)
    assert time.monotonic() - started < SECONDS + GRACE_SECONDS
    assert 1 <= len(first) <= 2
    rest = drain(ray_pool).values()
    kinds = {o.job_id: o.failure.kind for o in (*first, *rest) if o.failure}
    assert kinds == dict.fromkeys(range(4), FailureKind.TIMED_OUT)


def test_a_worker_is_not_lost_with_its_process(ray_pool: RayPool) -> None:
    actors = [seat.actor for seat in ray_pool._seats]
    ray_pool.submit(0, ("exit", None))
    drain(ray_pool)
    assert [seat.actor for seat in ray_pool._seats] == actors


def test_a_job_that_kills_its_worker_twice_fails_and_no_other(ray_pool: RayPool) -> None:
    """The actor that watches, and not only the process that evaluates."""
    for number in range(30):
        ray_pool.submit(number, ("sigkill_supervisor" if number in {3, 17} else "square", number))
    outcomes = drain(ray_pool)
    failures = {number: outcome.failure for number, outcome in outcomes.items() if outcome.failure}
    assert sorted(failures) == [3, 17]
    assert failures[3].kind is FailureKind.DIED
    assert "its worker died twice" in failures[3].reason
    assert {n: o.value for n, o in outcomes.items() if o.failure is None} == {
        n: n * n for n in range(30) if n not in {3, 17}
    }


def test_a_job_that_loses_its_worker_once_is_tried_again(ray_pool: RayPool, tmp_path: Path) -> None:
    ray_pool.submit(0, ("sigkill_supervisor_once", str(tmp_path / "seen")))
    assert drain(ray_pool) == {0: Finished(0, "second")}


def test_a_worker_killed_from_outside_is_replaced(ray_pool: RayPool) -> None:
    ray_pool.submit(0, ("parent", None))
    victim = drain(ray_pool)[0].value
    for number in range(12):
        ray_pool.submit(number, ("sleep", 0.05))
    os.kill(victim, signal.SIGKILL)
    assert [outcome.failure for outcome in drain(ray_pool).values()] == [None] * 12


def test_a_payload_that_cannot_travel_is_an_error_at_once(ray_pool: RayPool) -> None:
    with pytest.raises(TypeError, match="pickle"):
        ray_pool.submit(0, threading.Lock())
    assert ray_pool.in_flight == 0


def test_waiting_ends_when_the_time_is_up(ray_pool: RayPool, tmp_path: Path) -> None:
    """The job ends only when this test has come back from waiting for it."""
    ray_pool.submit(0, ("wait_for", str(tmp_path / "go on")))
    assert ray_pool.wait(0.1) == []
    (tmp_path / "go on").touch()
    assert values(ray_pool) == {0: True}


def test_a_ray_pool_outside_the_main_thread_is_refused() -> None:
    errors = []

    def start() -> None:
        try:
            RayPool("pool_jobs:make", num_workers=1, environment=dict)
        except PoolError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "from the main thread only; elsewhere use workers: inline" in errors[0]


@pytest.mark.parametrize(("batched", "size"), [(False, 1), (True, 3)])
def test_jobs_in_this_process_go_as_a_batch_where_asked_for(batched: bool, size: int) -> None:
    pool = InlinePool("pool_jobs:make_batch", batch_size=3, batched=batched)
    for number in range(3):
        pool.submit(number, ("square", number))
    assert values(pool) == {0: (0, size), 1: (1, size), 2: (4, size)}


def test_a_bad_job_in_this_process_spoils_no_other() -> None:
    pool = InlinePool("pool_jobs:make_batch", batched=True)
    for number, job in enumerate([("square", 2), ("raise", "x"), ("square", 3)]):
        pool.submit(number, job)
    outcomes = drain(pool)
    assert (outcomes[0].value, outcomes[2].value) == ((4, 1), (9, 1))
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.kind is FailureKind.RAISED
