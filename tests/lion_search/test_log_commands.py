"""log, diff and query: what they print of a finished run, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.library import library_program
from lion_search.dsl.text import format_program
from lion_search.results.records import Outcome

MINE = format_program(library_program("lion")).replace("0.9)", "0.88)")
ODD = "def train(w, g, lr):\n    update = sin(g)\n    update = update * lr\n    return update\n"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_log_is_listed_a_line_for_each_individual(finished: Any) -> None:
    """The last ones, or all; as text, JSON or CSV."""
    with finished.open() as store:
        logged = list(store.individuals())
    lines = finished.command("log", "found").out.splitlines()
    assert [int(line.split()[0]) for line in lines] == [one.id for one in logged[-20:]]
    objects = [
        json.loads(line) for line in finished.command("log", "found", "-n0", "--json").out.splitlines()
    ]
    assert [(o["id"], o["hash"], o["outcome"]) for o in objects] == [
        (o.id, o.hash, o.outcome) for o in logged
    ]
    cells = rows_of(finished.command("log", "found", "-n0", "--csv").out)
    assert [int(row["id"]) for row in cells] == [one.id for one in logged]


def test_a_log_is_filtered(finished: Any) -> None:
    listed = finished.command("log", "found", "-n0", "--outcome", "seen", "--json").out.splitlines()
    assert {json.loads(line)["outcome"] for line in listed} == {Outcome.SEEN}
    refused = finished.command("log", "found", "--outcome", "sean")
    assert (refused.status, "did you mean 'seen'" in refused.err) == (2, True)


def test_following_a_finished_run_ends(finished: Any) -> None:
    assert len(finished.command("log", "found", "--follow", "-n5").out.splitlines()) == 5


def test_the_events_of_a_run_are_listed(finished: Any) -> None:
    """As text, JSON or CSV; what is of individuals is refused."""
    events = ("log", "found", "--events", "-n0")
    told = finished.command(*events).out.splitlines()
    objects = [json.loads(line) for line in finished.command(*events, "--json").out.splitlines()]
    cells = rows_of(finished.command(*events, "--csv").out)
    assert [row["event"] for row in cells] == [one["event"] for one in objects]
    assert [line.split()[:2] for line in told] == [[row["time"], row["event"]] for row in cells]
    assert json.loads(cells[1]["told"])["phase"] == objects[1]["phase"]
    refused = finished.command(*events, "--outcome", "seen")
    assert (refused.status, "--events lists none" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("first", "second", "meaning", "words"),
    [
        ("adamw", "nadamw", "different", "The first is adamw, the second nadamw."),
        ("adamw", "paper/program3", "equal", "Both are adamw."),
        ("lion", MINE, "constants", "Both are lion: b1 0.9 against 0.88."),
        ("lion", ODD, "different", "The first is lion, the second no known optimizer as it stands."),
    ],
)
def test_two_programs_are_compared_by_meaning(
    finished: Any, folder: Path, first: str, second: str, meaning: str, words: str
) -> None:
    """And told by name, where they are known optimizers."""
    if "\n" in second:
        (folder / "mine.py").write_text(second)
        second = str(folder / "mine.py")
    found = json.loads(finished.command("diff", first, second, "--json").out)
    assert found["meaning"] == meaning
    assert found["words"].endswith(words)
    told = finished.command("diff", first, second).out
    assert told.splitlines()[0].startswith(found["words"][:20])
    assert "What they compute" in told


def test_a_log_is_asked_in_sql(finished: Any) -> None:
    """What would write is refused in a line, and nothing is changed."""
    with finished.open() as store:
        count = store.num_individuals()
    asked = "SELECT count(*) AS n FROM individuals"
    assert json.loads(finished.command("query", "found", asked, "--json").out) == [{"n": count}]
    assert rows_of(finished.command("query", "found", asked, "--csv").out) == [{"n": str(count)}]
    assert "individuals" in finished.command("query", "found").out
    odd = "SELECT x'00ff' AS bytes, 1e999 AS number"
    assert json.loads(finished.command("query", "found", odd, "--json").out) == [
        {"bytes": "00ff", "number": None}
    ]
    refused = finished.command("query", "found", "DELETE FROM individuals")
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert json.loads(finished.command("query", "found", asked, "--json").out) == [{"n": count}]


def test_ctrl_c_ends_a_query_that_has_no_end(main: Any, finished: Any) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    assert main("query", str(finished.folder), endless).status == 130
    timer.join()


@pytest.mark.parametrize("command", ["top", "frontier", "stats", "log", "lineage", "query"])
def test_json_and_csv_exclude_each_other(finished: Any, command: str) -> None:
    place = {"lineage": ["found:0"], "query": ["found", "SELECT 1"]}.get(command, ["found"])
    refused = finished.command(command, *place, "--json", "--csv")
    assert (refused.status, "exclude each other" in refused.err) == (2, True)
