"""A log that is followed while its run goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from logs import Log, score

from lion_search.analysis import logged
from lion_search.analysis.logged import logged_events, logged_rows
from lion_search.commands.printing.logs import print_logged
from lion_search.runs.events import Events
from lion_search.runs.folder import CONFIG_NAME, DATABASE_NAME
from lion_search.runs.lock import lock


@pytest.fixture
def run(tmp_path: Path) -> Log:
    """A run of three programs."""
    (tmp_path / CONFIG_NAME).write_text("")
    log = Log(tmp_path / DATABASE_NAME)
    log.add_baseline([0.3])
    for _ in range(3):
        log.add(scores=[score()])
    return log


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """States what happens between one look and the next."""

    def state(*what: Callable[[], object]) -> None:
        left = iter(what)
        monkeypatch.setattr(logged.time, "sleep", lambda seconds: next(left)())

    return state


def test_a_log_and_its_events_are_followed_to_the_end_of_the_run(
    run: Log, tmp_path: Path, meanwhile: Callable[..., None]
) -> None:
    """What is recorded before the driver ends, or is killed, is seen in the last look."""
    events = Events(tmp_path, print)
    events.write("started")
    for looks, names in (
        (logged_rows(str(tmp_path), last=2, follow=True), lambda rows: [row.id for row in rows]),
        (logged_events(str(tmp_path), last=2, follow=True), len),
    ):
        with ExitStack() as driver:
            driver.enter_context(lock(tmp_path))
            meanwhile(
                lambda: [run.add(scores=[score()]), events.write("progress")],
                lambda: None,
                lambda: [run.add(scores=[score()]), events.write("finished"), driver.close()],
            )
            found = list(map(names, looks))
        assert found in ([[1, 2], [3], [], [4]], [2, 1, 0, 1])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_drops_ends_the_following(
    run: Log, tmp_path: Path, meanwhile: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """As one does that comes while a destructor runs."""

    class Dropped:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    with lock(tmp_path):
        meanwhile(Dropped, lambda: pytest.fail("it goes on"))
        print_logged(logged_rows(str(tmp_path), last=1, follow=True), as_json=False, as_csv=False)
    assert len(capsys.readouterr().out.splitlines()) == 1
