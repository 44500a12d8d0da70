"""What a log comes to is the same whatever of it was kept, and when."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import pytest
from logs import Log, score

from lion_search.proxy_tasks.scores import Status
from lion_search.results.digest import frontier_leaders, keep_digest, leaders
from lion_search.results.history import read_history
from lion_search.results.ranking import rank
from lion_search.results.records import Outcome, Stage
from lion_search.results.statistics import statistics
from lion_search.results.store import Store

SIZE = 120
FITTER = 45
"""New programs that are judged better than their parent was; the same however often a digest was kept."""


def grow(log: Log, rng: random.Random) -> None:
    """One more individual: new and well, failed, trained on a further seed, tried again, or a hit."""
    number = log.num_individuals
    parent = {"parent_id": rng.randrange(number)} if number else {}
    parent["repeat"] = number % 3
    known = rng.randrange(number) if number else 0
    own = log.store.individual(known)
    match rng.randrange(5) if own is not None and own.scored_id == known else 0:
        case 0:
            log.add(scores=[score(rng.random(), 0)], num_states=rng.randrange(3), **parent)
        case 1:
            log.add(scores=[score(None, 0)], num_states=rng.randrange(3), **parent)
        case 2 if own.status is Status.OK:
            again = [score(rng.random(), rng.randrange(1, 5))]
            log.add(own.hash, again, Outcome.RESAMPLED, scored_id=known, num_states=own.num_states, **parent)
        case 3 if own.status is not Status.OK:
            again = [score(rng.random(), 0)]
            log.add(own.hash, again, scored_id=known, num_states=own.num_states, **parent)
        case _:
            log.add(own.hash, outcome=Outcome.SEEN, scored_id=known, status=own.status, **parent)


@pytest.mark.parametrize("every", [None, 1, 7, 50, SIZE])
def test_what_is_read_is_that_of_the_whole_log(database: str, tmp_path: Path, every: int | None) -> None:
    """To the last digit: the best, the numbers, the lines; also where programs are judged anew after that."""
    rng, log = random.Random(0), Log(database)
    log.add_baseline([0.5] * 5)
    for number in range(1, SIZE + 1):
        grow(log, rng)
        if every and number % every == 0:
            keep_digest(log.store)
    log.store.close()
    reader = Store.open(database)
    ranked = rank(reader, Stage.SEARCH)
    assert leaders(reader, 10) == ranked[:10]
    assert leaders(reader, SIZE) == ranked
    by_states = frontier_leaders(reader, 3)
    well = [row for row in ranked if row.status is Status.OK]
    assert by_states == {
        n: [row for row in well if row.individual.num_states == n][:3] for n in sorted(by_states)
    }
    found = asdict(statistics(reader))
    whole = Log(tmp_path / "whole.db")
    whole.add_baseline([0.5] * 5)
    rng = random.Random(0)
    for _ in range(SIZE):
        grow(whole, rng)
    assert read_history(reader, by_states=True) == read_history(whole.store, by_states=True)
    assert found["programs"] == SIZE
    assert sum(count["fitter"] for count in found["mutations"].values()) == FITTER
