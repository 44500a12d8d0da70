"""The page in a real browser: Debian's ``chromium``, driven by playwright. Without them these are skipped."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lion_search.report.page import REPORT_NAME, write_report
from lion_search.report.server import LiveReport, make_server

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; scripts/get_chromium.sh")
MILLISECONDS = 240_000
"""A page is drawn in two seconds, but tests may share few cores with much else."""
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for all tests here."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a page that remembers what the browser complained of and asked for."""
    pages = []

    def go(address: str, size: str = "wide") -> Any:
        page = browser.new_page(viewport=SIZES[size])
        pages.append(page)
        page.set_default_timeout(MILLISECONDS)
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(address)
        return page

    yield go
    for page in pages:
        page.close()


def drawn(page: Any) -> list[str]:
    """The figures that show something, by name."""
    return page.evaluate(
        "[...document.querySelectorAll('figure')].filter(one => one.querySelector('.main-svg .trace'))"
        ".map(one => one.id)"
    )


def settled_width(page: Any, expected: int) -> int:
    """How wide the page is once its figures have been drawn anew, which takes them a while."""
    for _ in range(100):
        if (width := page.evaluate("document.documentElement.scrollWidth")) == expected:
            break
        page.wait_for_timeout(100)
    return width


def test_the_report_of_a_run_is_drawn_from_disk_at_any_width_and_in_print(
    visit: Any, finished: Any, tmp_path: Path
) -> None:
    address = (finished.folder / REPORT_NAME).as_uri()
    page = visit(address)
    names = page.evaluate("[...document.querySelectorAll('figure')].map(f => f.id)")
    assert {"figure-search", "figure-frontier", "figure-shares", "figure-lineage"} <= set(names)
    assert drawn(page) == names
    for size in SIZES.values():
        page.set_viewport_size(size)
        assert settled_width(page, size["width"]) == size["width"]
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:", "blob:"))] == [address]


def test_what_is_folded_opens_by_a_click_a_link_and_all_at_once(visit: Any, make_run: Any) -> None:
    run = make_run()
    run.go_on(0.4, 0.3, 0.2)
    page = visit(write_report(run.folder).as_uri() + "#individual-1")
    is_open = "[...document.querySelectorAll('.lineage details')].map(one => one.open)"
    assert page.evaluate(is_open) == [False, True, False]
    page.click("#individual-2 summary")
    assert page.evaluate(is_open) == [False, True, True]
    page.click("text=Open all")
    assert page.evaluate(is_open) == [True, True, True]
    page.click("nav >> text=Search curve")
    assert page.url.endswith("#search")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a run is served."""
    with make_server(LiveReport(folder), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_that_is_served_follows_the_run_and_keeps_what_was_opened(visit: Any, make_run: Any) -> None:
    run = make_run()
    run.go_on(0.4, 0.3)
    with run.driven(), served(run.folder) as address:
        page = visit(address)
        page.click("#individual-1 summary")
        assert "running" in page.inner_text("#standing")
        run.go_on(0.2)
        page.wait_for_selector("#individual-2", state="attached")
        assert page.evaluate("document.getElementById('individual-1').open")
        assert "figure-search" in drawn(page)
        run.stop_driving()
        page.wait_for_selector("text=interrupted")
        assert page.complaints == []


def test_a_real_run_is_followed_to_its_end(visit: Any, tiny: Any, options: Any) -> None:
    folder = tiny.folder / "r"
    budget = ("budget.programs=1500", "selection.finalists=2")
    seeds = ("selection.validation_seeds=8", "selection.test_seeds=8")
    small = (f"--set={key}" for key in (*budget, *seeds))
    running = tiny.start("run", *options.tiny, *small, "--out=r", "--workers=inline")
    running.wait_until(lambda: "Search: until" in running.out)
    with served(folder) as address:
        page = visit(address)
        page.wait_for_selector("#standing >> text=finished")
        page.wait_for_selector("#figure-training-tiny\\:sine .main-svg", state="attached")
        assert "figure-search" in drawn(page)
        assert page.complaints == []
    assert running.process.wait() == 0
