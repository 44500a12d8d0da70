"""How a run ends when it is stopped: real signals to real processes, with real Ray workers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.results.store import Store

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes by their environment in Linux's /proc"
)


def start(command: Any, finished: Any, *, workers: int, programs: int = 1_000_000) -> Any:
    """A run like the finished one that does not end by itself."""
    return command.start(
        *("run", "--config", finished.folder / "config.yaml", "--out", "stopped"),
        *("--workers", str(workers), "--set", f"budget.programs={programs}"),
    )


def num_logged(folder: Path) -> int:
    try:
        store = Store.open(folder / "stopped" / "log.db")
        number = sum(store.counts().values())
        store.close()
    except LionSearchError:
        return 0  # not there yet
    return number


def num_workers(running: Any) -> int:
    return sum(line.startswith("ray::Worker") for line in running.family().values())


def numbers_in(text: str) -> set[int]:
    return {int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*\b", text)}


def check_ended(running: Any, status: int) -> None:
    assert running.process.wait(60) == status, running.err
    assert "Traceback" not in running.err
    assert running.survivors(within_seconds=5) == {}


def test_ctrl_c_ends_a_search_in_order(
    command: Any,
    finished: Any,
    main: Callable[..., Any],
    checked_log: Callable[..., Any],
    individuals_of: Callable[..., Any],
    log: Store,
) -> None:
    """SIGINT to the whole process group, as a terminal sends it.

    All that was evaluated is in the database and the message says how much that is; nothing runs on. The
    log is the beginning of the same search with another number of workers.
    """
    running = start(command, finished, workers=1)
    running.wait_until(lambda: num_logged(command.folder) > 60)
    assert num_workers(running) == 1
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)

    store = Store.open(command.folder / "stopped" / "log.db")
    individuals, counts = checked_log(store), store.counts()
    store.close()
    assert {len(individuals), counts["evaluated"]} <= numbers_in(running.err)
    assert "lion-search top stopped" in running.err
    assert "lion-search resume stopped" in running.err
    assert "Selection" not in running.out
    assert individuals[:300] == individuals_of(log)[: len(individuals)]
    assert main("top", command.folder / "stopped").status == 0


def test_ctrl_c_before_anything_is_evaluated_ends_in_order(
    command: Any, finished: Any, checked_log: Callable[..., Any]
) -> None:
    """Here while Ray's processes are being started."""
    running = start(command, finished, workers=1)
    running.wait_until(lambda: "Starting 1 Ray worker" in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    store = Store.open(command.folder / "stopped" / "log.db")
    assert checked_log(store) == []
    store.close()
    assert numbers_in(running.err) == {0}


def test_a_killed_driver_leaves_no_process_and_a_sound_log(
    command: Any, finished: Any, checked_log: Callable[..., Any], main: Callable[..., Any]
) -> None:
    """After ``kill -9`` of the driver alone."""
    running = start(command, finished, workers=2)
    running.wait_until(lambda: num_logged(command.folder) > 60)
    assert num_workers(running) == 2
    running.process.kill()
    check_ended(running, -signal.SIGKILL)
    store = Store.open(command.folder / "stopped" / "log.db")
    assert len(checked_log(store)) > 60
    store.close()
    assert main("show", f"{command.folder / 'stopped'}:60").status == 0


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_each_way_of_stopping_ends_in_order(
    command: Any, finished: Any, checked_log: Callable[..., Any], number: signal.Signals, whole_group: bool
) -> None:
    """SIGINT and SIGTERM, to the driver alone or to all processes."""
    running = start(command, finished, workers=2)
    running.wait_until(lambda: num_logged(command.folder) > 60)
    (os.killpg if whole_group else os.kill)(running.process.pid, number)
    check_ended(running, 130)
    store = Store.open(command.folder / "stopped" / "log.db")
    individuals, counts = checked_log(store), store.counts()
    store.close()
    assert {len(individuals), counts["evaluated"]} <= numbers_in(running.err)


@pytest.mark.large
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_while_the_workers_compile_ends_in_order(
    command: Any, finished: Any, checked_log: Callable[..., Any], number: signal.Signals
) -> None:
    """The workers are there; no result is."""
    running = start(command, finished, workers=2)
    running.wait_until(lambda: num_workers(running) == 2)
    os.kill(running.process.pid, number)
    check_ended(running, -number if number is signal.SIGKILL else 130)
    store = Store.open(command.folder / "stopped" / "log.db")
    checked_log(store)
    store.close()


@pytest.mark.large
def test_an_impatient_second_ctrl_c_leaves_no_process(
    command: Any, finished: Any, checked_log: Callable[..., Any]
) -> None:
    """It ends at once, without waiting for what is being evaluated."""
    running = start(command, finished, workers=2)
    running.wait_until(lambda: "Starting 2 Ray workers" in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    running.wait_until(lambda: num_workers(running) > 0)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    store = Store.open(command.folder / "stopped" / "log.db")
    checked_log(store)
    store.close()


@pytest.mark.large
@pytest.mark.parametrize("stage", ["Selection", "Test"])
def test_ctrl_c_after_the_search_ends_in_order(
    command: Any, finished: Any, checked_log: Callable[..., Any], stage: str
) -> None:
    """While the winner is chosen, or measured on test data."""
    running = command.start(
        *("run", "--config", finished.folder / "config.yaml", "--out", "stopped"),
        *("--set", "budget.programs=60", "--set", "selection.validation_seeds=300"),
        *("--set", "selection.test_seeds=300"),
    )
    running.wait_until(lambda: f"{stage}: " in running.out)
    os.killpg(running.process.pid, signal.SIGINT)
    check_ended(running, 130)
    store = Store.open(command.folder / "stopped" / "log.db")
    assert len(checked_log(store)) == 60
    store.close()
