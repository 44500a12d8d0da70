"""What happened to a run, one JSON object a line; with real files and real processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lion_search.runs.events import EVENTS_NAME, Events


def events_in(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / EVENTS_NAME).read_text().splitlines()]


def test_an_event_is_a_line_with_time_name_and_fields(tmp_path: Path) -> None:
    """At once in the file; the time is in UTC, to the millisecond."""
    events = Events(tmp_path, pytest.fail)
    events.write("started", workers=2, tasks=["digits_mlp"])
    (event,) = events_in(tmp_path)
    assert list(event) == ["time", "event", "workers", "tasks"]
    assert (event["event"], event["workers"], event["tasks"]) == ("started", 2, ["digits_mlp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(event["time"]))
    assert (
        timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(str(event["time"])) < timedelta(minutes=1)
    )


def test_events_of_a_resumed_run_follow_those_before(tmp_path: Path) -> None:
    for name in ("started", "resumed"):
        Events(tmp_path, pytest.fail).write(name)
    assert [event["event"] for event in events_in(tmp_path)] == ["started", "resumed"]


def test_numbers_json_does_not_have_are_null(tmp_path: Path) -> None:
    """Infinite ones and those that are none, also inside of fields."""
    Events(tmp_path, pytest.fail).write("x", a=float("inf"), b={"c": [float("nan"), 1.5]})
    (event,) = events_in(tmp_path)
    assert (event["a"], event["b"]) == (None, {"c": [None, 1.5]})


def test_events_are_written_whole(tmp_path: Path) -> None:
    """A line in one write: those of two processes that write at once do not mix, however long they are."""
    script = (
        "import sys; from pathlib import Path; from lion_search.runs.events import Events\n"
        "events = Events(Path(sys.argv[1]), print)\n"
        "for number in range(300): events.write('x', text=50_000 * 'y')"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(events_in(tmp_path)) == 600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, a disk without room, is Linux's")
def test_a_full_disk_is_told_once_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / EVENTS_NAME).symlink_to("/dev/full")
    warnings: list[str] = []
    events = Events(tmp_path, warnings.append)
    for _ in range(3):
        events.write("started")
    (warning,) = warnings
    assert "No space left" in warning
    assert EVENTS_NAME in warning


def test_a_disk_that_fills_up_within_a_line_leaves_whole_lines(tmp_path: Path) -> None:
    """Nothing of the line that did not fit; once there is room, events are written again.

    A limit of the file's size stands for the end of the disk: the kernel then writes a part, too.
    """
    script = """
import resource, sys
from pathlib import Path
from lion_search.runs.events import Events
events = Events(Path(sys.argv[1]), print)
events.write("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
events.write("lost", text=1000 * "x")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
events.write("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert [event["event"] for event in events_in(tmp_path)] == ["before", "after"]
