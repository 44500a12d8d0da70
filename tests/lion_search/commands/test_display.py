"""What a person sees while a search runs."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from screens import PROGRESS, console, printed

from lion_search.commands.printing import display
from lion_search.search.progress import Progress

SHOWN = (
    ("programs", "24,000 (120/s)"),
    ("evaluated", "6,000 (30/s)"),
    ("hit rate", "75.0%"),
    ("hit rate", "same as parent 8,000, seen 10,000"),
    ("novel", "5,900 (106,200 an hour)"),
    ("redundant", "41.5%"),
    ("fitness", "best +0.1234 (judged +0.1134) on 8 trainings"),
    ("fitness", "median -0.0432"),
    ("failures", "crashed 5, diverged 1,234"),
    ("hurdles", "saved 25.0%"),
    ("time left", "1:02:05"),
    ("time left", "after 3:20"),
)


def test_elsewhere_than_on_a_terminal_progress_is_a_line_with_all_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Speeds, hit rate, redundant share, best and median fitness, failures by kind, time left."""
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    file = console(width=100)
    with display.make_screen(file) as here, here.display("title") as show:
        show(PROGRESS)
    (line,) = printed(file).splitlines()
    cells = line.split("; ")
    for name, value in SHOWN:
        assert any(cell.startswith(name) and value in cell for cell in cells), (name, value, cells)


def test_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often progress is told."""
    now = [1000.0]
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 15.0)
    file = console(width=100)
    numbers = []
    with display.make_screen(file) as here, here.display("title") as show:
        for now[0] in (1001.0, 1014.0, 1015.0, 1016.0, 1029.0, 1031.0):
            show(PROGRESS)
            numbers.append(len(printed(file).splitlines()))
    assert numbers == [1, 1, 1, 2, 2, 3]


def test_a_terminal_shows_a_panel_with_all_values_and_is_left_clean() -> None:
    """The panel is drawn, then erased: what follows it is the result."""
    screen = console(terminal=True, width=100)
    with display.make_screen(screen) as here, here.display("quickstart") as show:
        show(PROGRESS)
    text = printed(screen)
    assert "lion-search: quickstart" in text
    for name, value in SHOWN:
        assert name.capitalize() in text
        assert all(part in text for part in value.split())  # a long value is broken into lines
    assert text.endswith("\x1b[2K")


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    """On a terminal or elsewhere."""
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    anywhere = console(terminal=terminal, width=100)
    with display.make_screen(anywhere, quiet=True) as here, here.display("title") as show:
        here.report("a line")
        show(PROGRESS)
    assert printed(anywhere) == ""


def test_the_first_snapshots_can_be_shown() -> None:
    """Nothing evaluated yet, no time gone by: no division by zero, no failure, an unknown time left."""
    hits = {"same_as_parent": 0, "seen": 0, "fingerprint": 0}
    nothing = Progress(0.0, 0, 0, 0, 0, hits, 0.0, None, None, None, 0, {}, None, {}, 0.0, 0.0, None)
    cells = dict(display.progress_cells(nothing))
    assert cells["Programs"] == "0 (0/s)"
    assert cells["Failures"] == "none"
    assert cells["Fitness"] == "not known yet"
    assert "Hurdles" not in cells
    assert cells["Time left"].startswith("? after 0:00")


def test_the_last_snapshot_is_always_among_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, also where it came too soon after the one before."""
    file = console()
    with display.make_screen(file) as here, here.display("title") as show:
        for count in (1, 2, 3):
            show(replace(PROGRESS, num_programs=count))
    first, last = printed(file).splitlines()
    assert first.startswith("programs 1 ")
    assert last.startswith("programs 3 ")


def test_a_line_that_comes_while_the_panel_is_there_leaves_it_readable() -> None:
    """Nothing of what we mean for the terminal is shown as text, nothing of a user's is taken for that."""
    screen = console(terminal=True, width=80)
    with display.make_screen(screen) as here, here.display("[red]run\x1b[31m") as show:
        show(replace(PROGRESS, failures={"[bold]": 3}))
        here.report("Stopping: waiting for [what] is evaluated ...")
    text = printed(screen)
    assert "lion-search: [red]run\\x1b[31m" in text
    assert "[bold] 3" in text
    assert "[what]" in text
    assert "[dim]" not in text
    assert "[/" not in text


def test_a_terminal_shows_how_long_ago_the_last_line_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """While workers start, for instance."""
    now = [1000.0]
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=lambda: now[0]))
    screen = console(terminal=True, width=80)
    with display.make_screen(screen) as here:
        here.report("Starting 2 Ray workers")
        now[0] += 12
        time.sleep(0.6)  # it is drawn four times a second
    assert "... 0:12" in printed(screen)
