"""A limit in minutes is of time in which the process could run."""

from __future__ import annotations

import os
import signal
import time

import pytest
from processes import Start, line_of

from lion_search.dsl.clock import AwakeClock


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([0.5, 1.0, 1.5], 1.5),
        ([0.5, 3.0, 5.0], 5.0),
        ([0.5, 100.0], 1.0),
        ([0.5, 100.0, 100.5, 3000.5, 3001.0], 2.5),
    ],
    ids=["it goes on", "late looks", "a gap", "two gaps"],
)
def test_a_gap_between_looks_is_not_counted(looks: list[float], expected: float) -> None:
    times = iter([0.0, *looks])
    clock = AwakeClock(lambda: next(times))
    assert [clock.seconds() for _ in looks][-1] == expected


CODE = """
import sys, time
from lion_search.dsl.clock import awake_seconds
awake, passed = awake_seconds(), time.monotonic()
time.sleep(0.6)
print(flush=True)
sys.stdin.readline()
print(time.monotonic() - passed - (awake_seconds() - awake), flush=True)
"""


def test_it_stands_still_while_the_process_is_stopped(start_script: Start) -> None:
    process = start_script(CODE)
    line_of(process)
    for number, pause in ((signal.SIGSTOP, 4.0), (signal.SIGCONT, 0.0)):
        os.kill(process.pid, number)
        time.sleep(pause)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert float(line_of(process)) > 3.0
