"""log, diff and query: what they print of a finished run, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from lion_search.results.records import Outcome


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
    assert "search" in finished.command("log", "found", "--events", "-n0").out


@pytest.mark.parametrize(
    ("first", "second", "meaning"),
    [
        ("lion", "lion_tanh", "different"),
        ("adamw", "paper/program3", "equal"),
        ("lion", "paper/program1", "equal"),
    ],
)
def test_two_programs_are_compared_by_meaning(finished: Any, first: str, second: str, meaning: str) -> None:
    found = json.loads(finished.command("diff", first, second, "--json").out)
    assert found["meaning"] == meaning
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
    refused = finished.command("query", "found", "DELETE FROM individuals")
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)
    assert json.loads(finished.command("query", "found", asked, "--json").out) == [{"n": count}]


@pytest.mark.parametrize("command", ["top", "frontier", "stats", "log", "lineage", "query"])
def test_json_and_csv_exclude_each_other(finished: Any, command: str) -> None:
    place = {"lineage": ["found:0"], "query": ["found", "SELECT 1"]}.get(command, ["found"])
    refused = finished.command(command, *place, "--json", "--csv")
    assert (refused.status, "exclude each other" in refused.err) == (2, True)
