"""The log does not depend on who evaluates, and a search goes on from any prefix of it: all policies on."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from searching import (
    ADAMW,
    EVERYTHING,
    A,
    FakePool,
    Log,
    changed,
    judge,
    log_of,
    make_search,
    prefix_of,
    settings,
)

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Status
from lion_search.results.judge import Judge
from lion_search.results.records import HITS, TRAINED, Outcome
from lion_search.results.store import Store
from lion_search.search.driver import Search
from lion_search.search.methods.evolution import MAX_RETRIES
from lion_search.search.replay import ReplayError
from lion_search.search.settings import Budget, Order, SearchSettings

UNLUCKY = changed(EVERYTHING, tournament=1, hurdle={"rejects": False})
"""What brought down its worker lives on and is hit again."""
COUNT = 300
LAG = EVERYTHING.loop.lag
CAUTIOUS = judge(1.0, state_price=0.003, statement_price=0.001)


def is_unlucky(job: Job) -> bool:
    """Two programs in three of some hashes bring down their worker: one only when it is new, one always."""
    assert isinstance(job.subject, Program)
    digit = int(functional_hash(job.subject)[:2], 16)
    return digit < 40 and (digit < 20 or bool(job.alternatives))


def in_peace(job: Job) -> bool:
    return False


def everything(
    store: Store,
    pool: FakePool,
    count: int = COUNT,
    settings: SearchSettings = EVERYTHING,
    *,
    seed: int = 0,
    initial: Program = ADAMW,
    judge: Judge = CAUTIOUS,
) -> Search:
    return make_search(store, pool, Budget(programs=count), settings, seed=seed, initial=initial, judge=judge)


def fresh(folder: Path, name: str = "log") -> Store:
    return Store.create(folder / f"{name}.db", {})


def whole_log(folder: Path, brings_down: Callable[[Job], bool], settings: SearchSettings = EVERYTHING) -> Log:
    """That of a search that was never interrupted, evaluated in order."""
    store = fresh(folder, "whole")
    everything(store, FakePool(1, brings_down=brings_down), settings=settings).run()
    return log_of(store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return whole_log(tmp_path_factory.mktemp("whole"), in_peace)


@pytest.fixture(scope="module")
def unlucky(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return whole_log(tmp_path_factory.mktemp("unlucky"), is_unlucky, UNLUCKY)


# The logs are worth comparing.


def test_each_policy_left_its_mark_on_the_log(whole: Log) -> None:
    individuals, evaluations = whole
    outcomes = Counter(i.outcome for i in individuals)
    assert set(outcomes) == {Outcome.EVALUATED, Outcome.RESAMPLED, *HITS}
    assert outcomes[Outcome.RESAMPLED] >= 10
    assert outcomes[Outcome.FINGERPRINT] >= 3
    statuses = Counter(i.status for i in individuals if i.outcome is Outcome.EVALUATED)
    assert statuses[Status.STOPPED] >= 10
    assert statuses[Status.DIVERGED] >= 10
    scales = Counter(i.update_scale for i in individuals if i.scored_id == i.id)
    assert min(scales[1.0], scales[0.5], scales[0.25]) >= 10
    hits_to_scale = [i for i in individuals if i.outcome in HITS and i.update_scale != 1.0]
    assert len(hits_to_scale) >= 10
    assert max(i.era for i in individuals) >= 2
    restarts = [i for i in individuals if i.mutation == "restart"]
    assert len(restarts) >= 3
    assert {i.repeat for i in restarts} == {0, 1, 2}
    assert sum("+" in i.mutation for i in individuals) >= 20
    assert len({e.score.seed for e in evaluations}) == 8


def test_an_era_begins_with_its_restart(whole: Log) -> None:
    individuals, _ = whole
    for repeat in range(3):
        own = [i for i in individuals if i.repeat == repeat]
        first = {era: next(i for i in own if i.era == era) for era in range(1, own[-1].era + 1)}
        assert {i.mutation for i in first.values()} <= {"restart"}
        assert [i.era for i in own] == sorted(i.era for i in own)


def test_the_same_parent_is_mutated_again_after_rejections(whole: Log) -> None:
    """Three retries or more in a row are seen as a parent's children without a tournament between."""
    individuals, _ = whole
    by_repeat = [[i.parent_id for i in individuals if i.repeat == repeat] for repeat in range(3)]
    runs = [max(_runs(parents)) for parents in by_repeat]
    assert max(runs) >= 3


def _runs(values: list) -> list[int]:
    lengths = [1]
    for one, other in pairwise(values):
        lengths[-1:] = [lengths[-1] + 1] if one == other else [lengths[-1], 1]
    return lengths


def test_the_unlucky_log_has_second_chances_and_quarantine(unlucky: Log) -> None:
    individuals, evaluations = unlucky
    crashed = {e.subject for e in evaluations if e.score.status is Status.CRASHED}
    times = Counter(e.subject for e in evaluations if e.score.status is Status.CRASHED)
    assert max(times.values()) == 2
    assert list(times.values()).count(2) >= 3
    saved = {e.subject for e in evaluations if e.score.status is Status.OK} & crashed
    assert len(saved) >= 2
    quarantined = {hash_ for hash_, count in times.items() if count == 2}
    after = [i for i in individuals if i.hash in quarantined and i.outcome in HITS]
    assert len(after) >= len(quarantined)


# In every order.


@pytest.mark.parametrize(("capacity", "seed"), [(7, 2), (1000, 4)])
def test_the_log_is_the_same_whatever_the_order_of_answers(
    tmp_path: Path, whole: Log, capacity: int, seed: int
) -> None:
    store = fresh(tmp_path)
    everything(store, FakePool(capacity, seed)).run()
    assert log_of(store) == whole


@pytest.mark.parametrize(("capacity", "seed"), [(5, 5)])
def test_the_log_of_unlucky_programs_is_the_same_whatever_the_order(
    tmp_path: Path, unlucky: Log, capacity: int, seed: int
) -> None:
    store = fresh(tmp_path)
    everything(store, FakePool(capacity, seed, brings_down=is_unlucky), settings=UNLUCKY).run()
    assert log_of(store) == unlucky


@pytest.mark.parametrize("count", [2, 57])
def test_a_smaller_budget_gives_a_prefix_of_the_log(tmp_path: Path, whole: Log, count: int) -> None:
    store = fresh(tmp_path)
    everything(store, FakePool(8, 7), count).run()
    assert log_of(store) == prefix_of(whole, count)


def test_a_budget_of_evaluations_gives_a_prefix_of_the_log(tmp_path: Path, whole: Log) -> None:
    store = fresh(tmp_path)
    budget = Budget(programs=10_000, evaluations=100)
    make_search(store, FakePool(8, 8), budget, EVERYTHING, judge=CAUTIOUS).run()
    individuals, evaluations = log_of(store)
    assert (individuals, evaluations) == prefix_of(whole, len(individuals))
    assert sum(i.outcome in TRAINED for i in individuals) == 100


@pytest.mark.parametrize("seed", [1])
def test_other_seeds_too_give_the_same_log_in_every_order(tmp_path: Path, whole: Log, seed: int) -> None:
    logs = []
    for name, pool in (("one", FakePool(1)), ("other", FakePool(16, seed))):
        store = fresh(tmp_path, name)
        everything(store, pool, 150, seed=seed).run()
        logs.append(log_of(store))
    assert logs[0] == logs[1]
    assert logs[0][0] != whole[0][:150]


# From any prefix.


def cut(folder: Path, log: Log, count: int, name: str = "cut") -> Store:
    """A log that holds so many individuals."""
    store = fresh(folder, name)
    store.append(*prefix_of(log, count))
    return store


def cuts(seed: int, count: int) -> list[int]:
    return [random.Random(seed).randrange(LAG, COUNT) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 5, LAG - 1, LAG, *cuts(0, 3), COUNT - 1, COUNT])
def test_a_search_goes_on_from_a_prefix_as_if_nothing_had_been(
    tmp_path: Path, whole: Log, count: int
) -> None:
    store = cut(tmp_path, whole, count)
    search = everything(store, FakePool(6, count))
    search.replay_log()
    search.run()
    assert log_of(store) == whole


@pytest.mark.parametrize("count", [1, LAG, *cuts(1, 3)])
def test_faults_second_chances_and_quarantine_are_replayed(tmp_path: Path, unlucky: Log, count: int) -> None:
    store = cut(tmp_path, unlucky, count)
    search = everything(store, FakePool(6, count, brings_down=is_unlucky), settings=UNLUCKY)
    search.replay_log()
    search.run()
    assert log_of(store) == unlucky


def test_every_prefix_of_a_short_log_leads_to_the_same_next_individuals(tmp_path: Path, whole: Log) -> None:
    for count in range(LAG, 2 * LAG, 3):
        store = cut(tmp_path, whole, count, f"cut{count}")
        search = everything(store, FakePool(3, count), count + 5)
        search.replay_log()
        search.run()
        assert log_of(store) == prefix_of(whole, count + 5)


def test_a_search_may_be_stopped_and_go_on_again_and_again(tmp_path: Path, whole: Log) -> None:
    """Stopped by itself, so that what is in flight is awaited; each time from the log alone."""
    store, number = fresh(tmp_path), 0
    while sum(store.counts().values()) < COUNT:
        number += 1
        pool = FakePool(7, number)
        search = everything(store, pool)
        search.replay_log()
        search.run(should_stop=lambda pool=pool: len(pool.jobs) >= 20)
    assert number > 5
    assert log_of(store) == whole


def test_what_was_killed_between_two_transactions_goes_on(tmp_path: Path, whole: Log) -> None:
    """A kill loses what was in flight or not yet written; nothing else."""

    class KilledError(Exception):
        pass

    store, number = fresh(tmp_path), 0
    while sum(store.counts().values()) < COUNT:
        number += 1
        search = everything(store, FakePool(7, number))
        search.replay_log()
        receive, calls = search._receive, iter(range(8))

        def receive_or_die(search=search, receive=receive, calls=calls) -> None:
            if next(calls, None) is None:
                search._flush = lambda: None  # type: ignore[method-assign]
                raise KilledError
            receive()

        search._receive = receive_or_die  # type: ignore[method-assign]
        with contextlib.suppress(KilledError):
            search.run()
    assert number >= 5
    assert log_of(store) == whole


@pytest.mark.parametrize("order", Order)
def test_the_state_of_a_finished_log_is_that_of_the_search(tmp_path: Path, order: Order) -> None:
    """Progress: the best, its seeds, the median, all counts."""
    store, own = fresh(tmp_path), changed(EVERYTHING, order=order)
    search = everything(store, FakePool(4, 0), settings=own)
    end = search.run()
    again = everything(Store.open(tmp_path / "log.db"), FakePool(4, 0), settings=own)
    again.replay_log()
    again._timeline.advance(COUNT)
    progress = again.progress()
    assert replace(progress, seconds=0, seconds_left=0, seconds_in_store=0) == replace(
        end, seconds=0, seconds_left=0, seconds_in_store=0
    )


def test_the_seconds_before_a_pause_are_counted(tmp_path: Path, whole: Log) -> None:
    store = cut(tmp_path, whole, 100)
    store.append([], [], {"search_seconds": 3600.0})
    search = make_search(
        store, FakePool(4), Budget(programs=10_000, minutes=60), EVERYTHING, judge=CAUTIOUS
    )  # fmt: skip
    search.replay_log()
    assert search.run().num_programs == 100
    assert 3600 <= store.run_facts()["search_seconds"] < 3700


@pytest.mark.parametrize("method", ["constants", "deletion", "random"])
def test_the_other_methods_are_replayed_too(tmp_path: Path, method: str) -> None:
    own = changed(EVERYTHING, method=method)
    whole = fresh(tmp_path, "whole")
    everything(whole, FakePool(5, 0), 150, own).run()
    store = cut(tmp_path, log_of(whole), 70)
    search = everything(store, FakePool(3, 1), 150, own)
    search.replay_log()
    search.run()
    assert log_of(store) == log_of(whole)


# What is refused.


@pytest.mark.parametrize("count", [70, 200])
@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"initial": A},
        {"settings": changed(EVERYTHING, tournament=2)},
        {"settings": changed(EVERYTHING, lag=LAG + 3)},
        {"settings": changed(EVERYTHING, population=13)},
        {"settings": changed(EVERYTHING, until_changed=0.0)},
    ],
    ids=["seed", "initial", "tournament", "lag", "population", "until_changed"],
)
def test_a_log_of_another_search_is_refused(tmp_path: Path, whole: Log, count: int, changed: dict) -> None:
    search = everything(cut(tmp_path, whole, count), FakePool(4), **changed)
    with pytest.raises(ReplayError, match="is not what this configuration and these versions propose there"):
        search.replay_log()


def test_a_log_with_a_changed_loss_is_refused(tmp_path: Path, whole: Log) -> None:
    """The best of the first eras suddenly has failed: other parents are chosen."""
    individuals, evaluations = whole
    best = min((e.score.loss, n) for n, e in enumerate(evaluations[:60]) if e.score.loss)[1]
    broken = replace(evaluations[best], score=replace(evaluations[best].score, loss=50.0))
    store = cut(tmp_path, (individuals, [*evaluations[:best], broken, *evaluations[best + 1 :]]), 350)
    with pytest.raises(ReplayError):
        everything(store, FakePool(4)).replay_log()


# In asynchronous order.

AS_THEY_COME = changed(EVERYTHING, order=Order.ASYNCHRONOUS)
MANY = 150


@pytest.fixture(scope="module")
def as_they_come(tmp_path_factory: pytest.TempPathFactory) -> Log:
    store = fresh(tmp_path_factory.mktemp("as_they_come"))
    everything(store, FakePool(12, 1), MANY, AS_THEY_COME).run()
    return log_of(store)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"initial": A}, {"settings": changed(AS_THEY_COME, tournament=2)}],
    ids=["seed", "initial", "tournament"],
)
@pytest.mark.parametrize("count", [100, MANY])
def test_in_asynchronous_order_a_log_of_another_search_is_refused(
    tmp_path: Path, as_they_come: Log, count: int, changes: dict
) -> None:
    values = {"settings": AS_THEY_COME, **changes}
    search = everything(cut(tmp_path, as_they_come, count), FakePool(4), **values)
    with pytest.raises(ReplayError):
        search.replay_log()


def test_turns_that_a_kill_has_lost_come_up_again(tmp_path: Path) -> None:
    """Each rejected child is followed by another of its parent, whatever was in flight at a kill."""
    own = changed(AS_THEY_COME, plateau=None, repeats=1, noise=None)
    store, lost = fresh(tmp_path), 0
    for stop in (50, 100, MANY):
        search = everything(store, FakePool(12, stop), stop, own)
        search.replay_log()
        search.run()
        if stop < MANY:
            kept = prefix_of(log_of(store), stop - 10)
            taken = [{i.retry_of for i in log} for log in (kept[0], log_of(store)[0])]
            lost += len(taken[1] - taken[0])
            store = cut(tmp_path, kept, stop - 10, f"cut{stop}")
    individuals, _ = log_of(store)
    retries: dict[int | None, int] = {None: -1}
    for row in individuals:
        retries[row.id] = retries[row.retry_of] + 1
    due = {
        i.id for i in individuals[: MANY - 30]
        if i.status is not Status.OK and i.parent_id is not None and retries[i.id] < MAX_RETRIES
    }  # fmt: skip
    assert lost
    assert due
    assert due <= {i.retry_of for i in individuals}


def check_log(log: Log, count: int) -> None:
    individuals, evaluations = log
    assert [i.id for i in individuals] == list(range(count))
    draws = [i.draw for i in individuals]
    assert len(set(draws)) == count
    assert all(i.parent_id is None or i.parent_id < i.id for i in individuals)
    assert all(i.scored_id <= i.id for i in individuals)
    new = [i for i in individuals if i.scored_id == i.id]
    assert len({i.proposed_hash for i in new}) == len(new), "no proposed hash is new twice"
    assert len({i.fingerprint for i in new}) == len(new), "nor is a fingerprint"
    trainings = Counter((e.subject, e.individual_id, e.score.seed) for e in evaluations)
    assert set(trainings.values()) == {1}


def test_in_asynchronous_order_individuals_are_committed_as_they_come(tmp_path: Path) -> None:
    store = fresh(tmp_path)
    everything(store, FakePool(12, 0), MANY, AS_THEY_COME).run()
    check_log(log_of(store), MANY)
    draws = [i.draw for i in log_of(store)[0]]
    assert draws != sorted(draws)
    assert sorted(draws) == list(range(MANY))


def test_in_asynchronous_order_proposals_know_all_that_was_committed(tmp_path: Path) -> None:
    """With one worker each parent may be the individual just before; there is no lag."""
    store = fresh(tmp_path)
    own = settings(population=5, order=Order.ASYNCHRONOUS, lag=1000)
    make_search(store, FakePool(1), Budget(programs=100), own).run()
    individuals, _ = log_of(store)
    assert min(i.id - i.parent_id for i in individuals[1:]) == 1  # type: ignore[operator]


@pytest.mark.parametrize("brings_down", [in_peace, is_unlucky])
@pytest.mark.parametrize("count", [1, 100])
def test_in_asynchronous_order_a_replayed_log_goes_on_without_gaps(
    tmp_path: Path, brings_down: Callable[[Job], bool], count: int
) -> None:
    before = fresh(tmp_path, "before")
    everything(before, FakePool(12, 1, brings_down=brings_down), MANY, AS_THEY_COME).run()
    store = cut(tmp_path, log_of(before), count)
    pool = FakePool(12, 2, brings_down=brings_down)
    search = everything(store, pool, MANY, AS_THEY_COME)
    search.replay_log()
    search.run()
    check_log(log_of(store), MANY)
    assert log_of(store)[0][:count] == log_of(before)[0][:count]
    assert len(log_of(store)[0]) == MANY


def test_in_asynchronous_order_what_was_trained_before_a_pause_is_not_trained_again(tmp_path: Path) -> None:
    before = fresh(tmp_path, "before")
    everything(before, FakePool(12, 1), MANY, AS_THEY_COME).run()
    store = cut(tmp_path, log_of(before), 80)
    known = {i.proposed_hash for i in log_of(store)[0]}
    pool = FakePool(12, 2)
    search = everything(store, pool, MANY, AS_THEY_COME)
    search.replay_log()
    search.run()
    new = [hash_ for hash_, job in zip(pool.hashes, pool.jobs, strict=True) if job.alternatives]
    assert new
    assert not set(new) & known
