"""The page of a run that goes on, as a browser on this machine gets it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.report.server import LiveReport, make_server


class Clock:
    """Time that goes on when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(make_run: Callable[..., Any]) -> Any:
    run = make_run()
    run.go_on(0.4, 0.3)
    return run


@pytest.fixture
def live(run: Any, clock: Clock) -> LiveReport:
    return LiveReport(run.folder, clock)


def test_a_page_that_has_all_is_sent_nothing(live: LiveReport) -> None:
    version = live.changes("")["version"]
    assert "sections" not in live.changes(version)


def test_only_the_sections_that_changed_are_sent(live: LiveReport, run: Any, clock: Clock) -> None:
    first = live.changes("")
    run.go_on(0.2)
    clock.seconds += 60
    changes = live.changes(first["version"])
    assert {"overview", "search", "lineage"} <= changes["sections"].keys()
    assert "setup" not in changes["sections"]
    assert changes["keys"] == first["keys"]
    assert "r:2" in changes["sections"]["overview"]


def test_the_log_is_read_again_after_a_while_only(live: LiveReport, run: Any, clock: Clock) -> None:
    version = live.changes("")["version"]
    run.go_on(0.2)
    clock.seconds += 1
    assert live.changes(version)["version"] == version
    clock.seconds += 60
    assert live.changes(version)["version"] != version


def test_a_page_of_another_server_is_sent_everything(live: LiveReport) -> None:
    assert live.changes("0123abcd-1")["sections"].keys() == live.changes("")["sections"].keys()


def test_a_run_that_nobody_drives_will_not_change(live: LiveReport) -> None:
    assert live.changes("")["is_last"]


def test_a_log_that_goes_away_is_told_and_what_was_shown_stays(
    live: LiveReport, run: Any, clock: Clock
) -> None:
    first = live.changes("")
    run.log.store.close()
    (run.folder / "log.db").rename(run.folder / "gone.db")
    clock.seconds += 60
    changes = live.changes(first["version"])
    assert "cannot be read now" in changes["standing"]
    assert "sections" not in changes


@pytest.fixture
def ask(live: LiveReport) -> Iterator[Callable[..., HTTPResponse]]:
    """What the server answers."""
    with make_server(live, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def request(path: str, method: str = "GET", host: str = "localhost:1") -> HTTPResponse:
            connection = HTTPConnection(*server.server_address, timeout=60)  # type: ignore[misc, arg-type]
            connection.request(method, path, headers={"Host": host})
            return connection.getresponse()

        yield request
        server.shutdown()
        thread.join()


def test_the_page_and_its_changes_are_served(ask: Callable[..., HTTPResponse]) -> None:
    page = ask("/").read().decode()
    version = page.split('data-live="')[1].split('"')[0]
    assert json.loads(ask(f"/changes?since={version}").read())["version"] == version


@pytest.mark.parametrize(
    ("path", "method", "host", "status"),
    [
        ("/log.db", "GET", "localhost", 404),
        ("/../log.db", "GET", "127.0.0.1:8000", 404),
        ("/", "GET", "evil.example", 403),
        ("/", "POST", "localhost", 501),
    ],
)
def test_nothing_else_is_given_out_and_nothing_is_taken(
    ask: Callable[..., HTTPResponse], path: str, method: str, host: str, status: int
) -> None:
    assert ask(path, method, host).status == status


def test_it_is_reached_from_this_machine_only_and_a_port_in_use_is_an_error(live: LiveReport) -> None:
    with make_server(live, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(LionSearchError, match=r"cannot serve on port \d+: Address already in use; name"):
            make_server(live, server.server_port)
