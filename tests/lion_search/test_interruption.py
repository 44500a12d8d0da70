"""How a run ends when it is stopped: real signals to real processes, with real Ray workers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from lion_search.results.records import TRAINED

Main = Callable[..., Any]
ENDLESS = "--set=budget.programs=1000000"


@pytest.fixture
def stopped(tiny: Any, run_in: Any) -> Any:
    """The folder of the run that is stopped."""
    return run_in(tiny.folder / "stopped")


@pytest.fixture
def start(tiny: Any, options: Any) -> Callable[..., Any]:
    """Starts a run like the undisturbed one, which does not end by itself."""
    return lambda workers, *more: tiny.start(
        "run", *options.policies, "--out=stopped", f"--workers={workers}", *(more or (ENDLESS,))
    )


def num_workers(running: Any) -> int:
    return sum(line.startswith("ray::Worker") for line in running.family().values())


def check_ended(running: Any, status: int) -> None:
    assert running.process.wait(60) == status, running.err
    assert "Traceback" not in running.err
    assert running.survivors(within_seconds=5) == {}


def check_said(running: Any, stopped: Any) -> None:
    """All that was evaluated is in the database, and the message says how much that is."""
    told = {int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b", running.err)}
    individuals = stopped.checked(num_seeds=2)
    assert {len(individuals), sum(i.outcome in TRAINED for i in individuals)} <= told


def test_ctrl_c_ends_a_search_in_order_and_it_is_resumed_to_the_same_log(
    tiny: Any, start: Any, stopped: Any, undisturbed: Any, main: Main
) -> None:
    """SIGINT to the whole process group, as a terminal sends it; nothing runs on.

    The log is the beginning of the same search with another number of workers, and goes on by the command
    that the message names.
    """
    running = start(1, "--set=budget.programs=1000")
    running.wait_until(lambda: num_workers(running) == 1)
    running.wait_until(lambda: stopped.count() > 20)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    check_said(running, stopped)
    assert 20 < stopped.count() < 1000
    assert "lion-search top stopped" in running.err
    assert "lion-search resume stopped" in running.err
    assert "Selection" not in running.out
    assert stopped.rows().is_beginning(undisturbed.rows())
    assert main("top", stopped.folder).status == 0
    assert "Resuming stopped: " in tiny.resume("stopped", "--set=workers=inline").called.out
    stopped.check_same(undisturbed)


def test_ctrl_c_before_anything_is_evaluated_ends_in_order(start: Any, stopped: Any) -> None:
    """Here while Ray's processes are being started."""
    running = start(1)
    running.wait_until(lambda: "Starting 1 Ray worker" in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    assert stopped.checked() == []
    assert set(re.findall(r"\b\d+\b", running.err)) == {"0"}


def test_a_killed_driver_leaves_no_process_and_a_sound_log(start: Any, stopped: Any, main: Main) -> None:
    """After ``kill -9`` of the driver alone."""
    running = start(2)
    running.wait_until(lambda: stopped.count() > 60)
    assert num_workers(running) == 2
    running.process.kill()
    check_ended(running, -signal.SIGKILL)
    assert len(stopped.checked(num_seeds=2)) > 60
    assert main("show", f"{stopped.folder}:60").status == 0


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_each_way_of_stopping_ends_in_order(
    start: Any, stopped: Any, number: signal.Signals, whole_group: bool
) -> None:
    """SIGINT and SIGTERM, to the driver alone or to all processes."""
    running = start(2)
    running.wait_until(lambda: stopped.count() > 60)
    (os.killpg if whole_group else os.kill)(running.process.pid, number)
    check_ended(running, 130)
    check_said(running, stopped)


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_while_the_workers_compile_ends_in_order(
    start: Any, stopped: Any, number: signal.Signals
) -> None:
    """The workers are there; no result is."""
    running = start(2)
    running.wait_until(lambda: num_workers(running) == 2)
    os.kill(running.process.pid, number)
    check_ended(running, -number if number is signal.SIGKILL else 130)
    stopped.checked(num_seeds=2)


@pytest.mark.large
def test_an_impatient_second_ctrl_c_leaves_no_process(start: Any, stopped: Any) -> None:
    """It ends at once, without waiting for what is being evaluated."""
    running = start(2)
    running.wait_until(lambda: "Starting 2 Ray workers" in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    running.wait_until(lambda: num_workers(running) > 0)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    stopped.checked(num_seeds=2)


@pytest.mark.large
@pytest.mark.parametrize("stage", ["Selection", "Test"])
def test_ctrl_c_after_the_search_ends_in_order(start: Any, stopped: Any, stage: str) -> None:
    """While the winner is chosen, or measured on test data."""
    running = start(2, "--set=budget.programs=60")
    running.wait_until(lambda: f"{stage}: " in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    assert len(stopped.checked(num_seeds=2)) == 60
