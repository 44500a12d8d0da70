"""A run as one page, whatever state it is in."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import Page

from lion_search.report.page import REPORT_NAME, write_report
from lion_search.report.sections import SECTIONS

COMMAND = Path(sys.executable).with_name("lion-search")


@pytest.fixture
def page(make_run: Callable[..., Any]) -> Callable[..., Page]:
    """The page of a run with these losses."""

    def write(*losses: float, name: str = "r", **facts: Any) -> Page:
        run = make_run(name, **facts)
        if losses:
            run.go_on(*losses)
        return Page.at(write_report(run.folder))

    return write


def test_the_page_of_a_finished_run_shows_every_section_and_loads_nothing(finished: Any) -> None:
    page = Page.at(finished.folder / REPORT_NAME)
    assert {section.key for section in SECTIONS} - page.ids == {"card", "meta-validation"}  # not asked for
    assert page.sources == ["data:,"]
    assert all(link.startswith("data:") or link[1:] in page.ids for link in page.links)
    assert {"search", "frontier", "shares", "lineage"} <= page.figures.keys()
    assert "cannot be shown" not in page.text


def test_a_run_names_its_page_as_what_to_look_at_next(finished: Any) -> None:
    assert f"  found/{REPORT_NAME}  (open it in a browser)" in finished.called.out


def test_the_page_holds_the_exports_the_winner_and_what_made_it_readable(finished: Any) -> None:
    page = Page.at(finished.folder / REPORT_NAME)
    for name in finished.result["exports"]:
        assert (finished.folder / name).read_text().strip() in page.text
    assert finished.result["simplified"].strip() in page.text
    assert "experiment" in page.text


def test_training_curves_are_of_all_that_the_test_compares(finished: Any) -> None:
    figures = Page.at(finished.folder / REPORT_NAME).figures
    traces = figures["training-digits_mlp"]["data"]
    assert {trace["name"] for trace in traces} == {row["optimizer"] for row in finished.result["test"]}
    assert all(trace["x"][0] == 0 and trace["y"][-1] < trace["y"][0] for trace in traces)


def test_lines_differ_without_colour(finished: Any) -> None:
    for figure in Page.at(finished.folder / REPORT_NAME).figures.values():
        lines = [t for t in figure["data"] if t["mode"] == "lines+markers"]
        assert len({(t["line"]["dash"], t["marker"]["symbol"]) for t in lines}) == len(lines)


def test_a_run_that_was_killed_is_shown_as_far_as_it_came(page: Any) -> None:
    found = page(0.4, 0.3, 0.2)
    assert "Best so far: r:2" in found.text
    assert "It ended before it had a result" in found.text
    assert "individual-2" in found.ids
    assert found.figures["search"]["data"][0]["x"] == [1, 2, 3, 3]


def test_a_run_without_programs_says_so(page: Any) -> None:
    found = page()
    assert "There is no program in its log yet." in found.text
    assert not found.figures


def test_names_are_text_and_never_markup(page: Any) -> None:
    tasks = {"<b>&\"'": {"data": "<script>alert(1)</script>"}}
    found = page(0.3, name="<i>&amp;", tasks=tasks)
    assert "<i>&amp;" in found.text
    assert "<script>alert(1)</script>" in found.text


def test_what_cannot_be_shown_says_why_and_the_rest_is_there(page: Any) -> None:
    """A run was moved to a machine that has not the user's own function."""
    found = page(0.3, 0.2, own_functions={"gone_module:softsign": {}})
    assert "This cannot be shown: run 'r'" in found.text
    assert "gone_module" in found.text
    assert "search" in found.figures


def test_a_log_of_the_schema_before_is_read(make_run: Any) -> None:
    run = make_run()
    run.go_on(0.3, 0.2)
    run.log.store.close()
    with sqlite3.connect(run.folder / "log.db") as connection:
        connection.execute("UPDATE run SET value = '2' WHERE key = 'schema_version'")
        columns = [row[1] for row in connection.execute("PRAGMA table_info(individuals)")]
        kept = ", ".join(column for column in columns if column not in ("seen", "retry_of"))
        connection.execute(f"CREATE TABLE old AS SELECT {kept} FROM individuals")
        connection.execute("DROP TABLE individuals")
        connection.execute("ALTER TABLE old RENAME TO individuals")
    assert "Best so far: r:1" in Page.at(write_report(run.folder)).text


def test_a_run_is_read_where_nothing_can_be_written_and_the_report_goes_elsewhere(
    make_run: Any, main: Any, tmp_path: Path
) -> None:
    run = make_run()
    run.go_on(0.3)
    run.log.store.close()
    moved = shutil.move(run.folder, tmp_path / "moved")
    (moved / "log.db").chmod(0o400)
    called = main("report", moved, "-o", tmp_path / "mine.html")
    assert (called.status, called.out) == (0, f"Wrote {tmp_path / 'mine.html'}\n")
    assert [p.name for p in moved.iterdir()] == ["config.yaml", "log.db"] or not (
        moved / REPORT_NAME
    ).exists()


def test_a_file_of_the_users_is_never_overwritten_and_an_earlier_report_is(
    make_run: Any, main: Any, tmp_path: Path
) -> None:
    run = make_run()
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    called = main("report", run.folder, "-o", mine)
    assert (called.status, called.err) == (2, f"Error: '{mine}' exists; nothing was overwritten\n")
    assert mine.read_text() == "mine"
    for _ in range(2):
        assert main("report", run.folder).status == 0


def test_a_full_disk_is_one_message_and_nothing_is_left(make_run: Any) -> None:
    """By a limit of the system for the size of files, the nearest to a full disk that needs no rights."""
    run = make_run()
    run.go_on(0.3)
    run.log.store.close()
    limited = f"ulimit -f 1000; exec {COMMAND} report {run.folder}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: cannot write '{run.folder / REPORT_NAME}': File too large\n"
    assert {p.name for p in run.folder.iterdir()} == {"config.yaml", "log.db"}


def test_a_run_that_is_not_there_is_an_error(main: Any) -> None:
    called = main("report", "nowhere")
    assert called.status == 2
    assert called.err.startswith("Error: no run 'nowhere'")
