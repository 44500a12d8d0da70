"""Several drivers and one study: each on an island with a log of its own, in one database, read as one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from databases import Server
from pages import Page

from lion_search.dsl.errors import LionSearchError
from lion_search.results.location import studies, with_study
from lion_search.results.records import IMMIGRANT, Outcome
from lion_search.results.store import Store
from lion_search.runs.claim import claimed, writer_of

EVERY, COUNT = 50, 110


@pytest.fixture
def shared(database: str, tmp_path: Path) -> str:
    """A database for several studies of each kind."""
    return f"sqlite:///{tmp_path}/studies" if database.startswith("sqlite") else database


@pytest.fixture
def settings(options: Any) -> Callable[..., tuple[str, ...]]:
    """Options of a run on an island."""

    def of(shared: str, island: int, count: int = COUNT, *more: str, every: int = EVERY) -> tuple[str, ...]:
        own = (
            f"--set=database={shared}",
            "--set=study=lion",
            f"--set=islands={{every: {every}, migrants: 2}}",
        )
        budget = ("--set=workers=inline", f"--set=budget.programs={count}", f"--island={island}")
        return (*options.small, *options.tiny, *own, *budget, *more)

    return of


def log(shared: str, island: int) -> closing[Store]:
    return closing(Store.open(with_study(shared, f"lion.{island}")))


def test_islands_exchange_and_are_read_as_one_study(
    shared: str, settings: Any, tiny: Any, in_folder: Callable[..., Any]
) -> None:
    main = in_folder(tiny.folder, "tiny")

    def ok(*arguments: Any) -> Any:
        called = main(*arguments)
        assert called.status == 0, called.err
        return called.out

    def rows(*arguments: Any) -> Any:
        return json.loads(ok(*arguments, "--json"))

    ok("run", "--out=r1", *settings(shared, 1, 60))
    ok("run", "--out=r2", *settings(shared, 2))
    ok("resume", "r1", f"--set=budget.programs={COUNT}")
    with log(shared, 1) as store:
        came = store.immigrants()
        assert [one.draw for one in came] == [100, 101]
        assert {one.origin.partition(":")[0] for one in came} == {"lion.2"}
        assert [i.id for i in store.individuals() if i.mutation == IMMIGRANT] == [one.draw for one in came]
        first = list(store.individuals())[:40]
    with log(shared, 2) as store:
        assert [i.program for i in store.individuals()][:40] != [i.program for i in first], "the same numbers"

    study = with_study(shared, "lion")
    assert [(row["name"], row["state"], row["num_programs"]) for row in rows("runs", shared)] == [
        ("lion.1", "finished", COUNT),
        ("lion.2", "finished", COUNT),
    ]
    top = rows("top", study, "-n", "40")
    assert {row["island"] for row in top} == {"lion.1", "lion.2"}
    assert [row["judged"] for row in top] == sorted((row["judged"] for row in top), reverse=True)
    assert len({row["hash"] for row in top}) == len(top) == 40
    assert top == rows("top", "r1", "--study", "-n", "40")
    assert rows("top", "r1") == rows("top", with_study(shared, "lion.1"))
    assert "lion.1" in ok("top", study)
    assert f"immigrant from {came[0].origin}" in ok("lineage", f"{with_study(shared, 'lion.1')}:100")
    one = with_study(shared, "lion.1")
    assert rows("stats", one)["programs"] == COUNT
    assert [json.loads(line)["id"] for line in ok("log", one, "-n", "3", "--json").splitlines()] == [
        COUNT - 3, COUNT - 2, COUNT - 1,
    ]  # fmt: skip
    assert rows("watch", one)["state"] == "finished"
    assert "Phase: finished" in ok("watch", one)

    ok("report", study, "-o", "page.html")
    page = Page.at(tiny.folder / "page.html")
    assert {"islands", "search", "best", "frontier", "migration"} <= page.ids
    assert [trace["name"] for trace in page.figures["search"]["data"]] == ["lion.1", "lion.2"]
    assert "2 islands: 2 finished" in page.text
    ok("report", "r2", "--study")
    assert (tiny.folder / "lion.html").exists()

    for command in ("stats", "log", "watch"):
        called = main(command, study)
        assert called.status == 2
        assert "study=lion.1, study=lion.2" in called.err
    again = main("run", "--out=r3", *settings(shared, 2))
    assert (again.status, "already holds a run" in again.err) == (2, True), again.err
    other = main("run", "--out=r3", *settings(shared, 3, COUNT, "--set=prices.state=0.5"))
    assert other.status == 2
    assert "island lion.3 is of another study than lion.1: judge.state_price was 0.0 and is 0.5" in other.err
    assert not (tiny.folder / "r3").exists()
    assert studies(shared) == ["lion.1", "lion.2"]


def test_scores_of_a_study_in_the_same_database_are_reused(
    settings: Any, tiny: Any, in_folder: Callable[..., Any]
) -> None:
    """Also of one that goes on: what it had when this one began."""
    main, shared = in_folder(tiny.folder, "tiny"), f"sqlite:///{tiny.folder}/studies"
    first = with_study(shared, "lion.1")
    assert main("run", "--out=r1", *settings(shared, 1, 40)).status == 0
    own = ("--set=study=again", "--set=islands=null", f"--set=reuse=['{first}']", "--seed=1")
    alone = [option for option in settings(shared, 1, 40) if not option.startswith("--island")]
    with claimed(first):
        called = main("run", "--out=r2", *alone, *own)
    assert called.status == 0, called.err
    with closing(Store.open(with_study(shared, "again"))) as store:
        assert store.run_facts()["reused"] == {first: 40}
        assert any(individual.outcome is Outcome.REUSED for individual in store.individuals())


def test_a_log_has_one_driver_at_a_time(shared: str) -> None:
    """Who it is, is told; others of the same database are free."""
    url, other = (with_study(shared, f"lion.{number}") for number in (1, 2))
    with claimed(url) as renew:
        renew()
        assert "process" in (writer_of(url) or "")
        assert writer_of(other) is None
        with pytest.raises(LionSearchError, match=r"is (written|in use) by .*process \d+ on"), claimed(url):
            pass
        with claimed(other):
            pass
    assert writer_of(url) is None
    with claimed(url):
        pass


def test_a_driver_whose_connection_was_cut_gets_its_log_back_unless_another_has_it(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lion_search.runs.claim._AWAY_SECONDS", 0.3)
    url = with_study(postgresql.new_database(), "a")
    with claimed(url) as renew:
        postgresql.cut_connections()
        renew()
        assert writer_of(url) is not None
        postgresql.cut_connections()
        with claimed(url), pytest.raises(LionSearchError, match="study=a is written by"):
            renew()


@pytest.mark.large
def test_three_drivers_of_which_one_is_killed(shared: str, settings: Any, tiny: Any) -> None:
    """The killed one hinders nobody, and goes on to the log that follows from what had come in."""
    every, count = 200, 1500
    running = [
        tiny.start("run", f"--out=r{number}", *settings(shared, number, count, every=every))
        for number in (1, 2, 3)
    ]
    running[1].wait_until(lambda: _num_immigrants(shared, 2) > 2)
    running[1].process.kill()
    running[1].process.wait()
    with log(shared, 2) as store:
        before, came = list(store.individuals()), store.immigrants()
    for number in (0, 2):
        assert running[number].process.wait(240) == 0, running[number].err
    tiny.resume("r2")
    with log(shared, 2) as store:
        whole, all_came = list(store.individuals()), store.immigrants()
    assert whole[: len(before)] == before
    assert all_came[: len(came)] == came
    assert len(whole) == count
    assert {one.origin.partition(":")[0] for one in all_came} == {"lion.1", "lion.3"}
    for number in (1, 2, 3):  # a search that is given what came in makes the same log again
        _make_again(shared, number, tiny, settings, every, count)


def _num_immigrants(shared: str, island: int) -> int:
    try:
        with log(shared, island) as store:
            return len(store.immigrants())
    except LionSearchError:
        time.sleep(0.1)
        return 0


def _make_again(shared: str, island: int, tiny: Any, settings: Any, every: int, count: int) -> None:
    """The island's log with its first individual only, and all that came in: gone on with, it is the same."""
    with log(shared, island) as store:
        whole, came, facts = list(store.individuals()), store.immigrants(), store.run_facts()
    folder = tiny.folder / f"again-{island}"
    facts = {
        key: value for key, value in facts.items() if key not in ("schema_version", "digest", "progress")
    }
    alone = with_study(f"sqlite:///{folder}-studies", f"lion.{island}")
    again = Store.create(alone, facts | {"search_seconds": 0.0})
    again.append([], [], {}, came)
    again.close()
    folder.mkdir()
    (folder / "config.yaml").write_text((tiny.folder / f"r{island}" / "config.yaml").read_text())
    (folder / "database.txt").write_text(alone)
    tiny.resume(folder.name)
    with closing(Store.open(alone)) as store:
        assert list(store.individuals()) == whole
