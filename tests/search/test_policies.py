"""Policies of the search, through the loop: further seeds, hurdles, prices, restarts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from searching import (
    EVERYTHING,
    HASH_B,
    A,
    B,
    C,
    D,
    FakePool,
    changed,
    constant,
    judge,
    log_of,
    make_scripted,
    make_search,
    members_of,
    settings,
)

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.results.records import HITS, Outcome, Stage
from lion_search.results.store import Store
from lion_search.search.methods.evolution import MAX_RETRIES
from lion_search.search.settings import Budget
from lion_search.search.state import MIN_FIRST_LOSSES

SETTINGS = settings(population=10, lag=1)
NOISE = changed(SETTINGS, noise={"max_seeds": 7, "hits": 2, "near": 2.0})
Losses = Callable[[Program, str, int], float | None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


def losses_of(*items: tuple[Program, Callable[[int], float]]) -> Losses:
    """Losses by seed of these programs; 1 of all others."""
    table = {functional_hash(program): losses for program, losses in items}
    return lambda program, task, seed: table.get(functional_hash(program), lambda seed: 1.0)(seed)


# Further seeds.


def test_seeds_are_doubled_up_to_the_most(store: Store) -> None:
    """Of 2, 4, 7 seeds; and the program is hit on."""
    pool = FakePool(1, losses=losses_of((B, lambda seed: 0.5)))
    make_scripted(store, pool, [A, *[B, C] * 12], NOISE).run()
    own = [job.samples for job, hash_ in zip(pool.jobs, pool.hashes, strict=True) if hash_ == HASH_B]
    assert [[seed for _, seed, _ in samples] for samples in own] == [[0, 1], [2, 3], [4, 5, 6]]
    assert {part for samples in own for *_, part in samples} == {Part.VALIDATION}


def test_further_seeds_are_logged_for_the_individual_that_was_hit(store: Store) -> None:
    pool = FakePool(1, losses=losses_of((B, lambda seed: 0.5)))
    make_scripted(store, pool, [A, B, C, B, C, B, C], NOISE).run()
    individuals, _ = log_of(store)
    (again,) = [i for i in individuals if i.outcome is Outcome.RESAMPLED]
    assert (again.hash, again.scored_id) == (HASH_B, 1)
    rows = [(e.individual_id, e.score.seed) for e in store.evaluations(subject=HASH_B)]
    assert rows == [(1, 0), (1, 1), (again.id, 2), (again.id, 3)]


def test_a_program_far_behind_the_best_gets_none(store: Store) -> None:
    pool = FakePool(1, losses=losses_of((B, lambda seed: 0.5), (C, lambda seed: 2.0)))
    make_scripted(store, pool, [A, B, *[C] * 10], NOISE).run()
    assert Outcome.RESAMPLED not in {i.outcome for i in log_of(store)[0]}


def test_the_policy_does_nothing_if_all_have_the_most_seeds_already(store: Store) -> None:
    own = changed(NOISE, noise={"max_seeds": 2, "hits": 1})
    pool = FakePool(1)
    make_scripted(store, pool, [A, *[B, C] * 10], own).run()
    assert len(pool.jobs) == 3


def test_a_lucky_best_loses_its_place_after_resampling(store: Store) -> None:
    lucky = (B, lambda seed: 0.4 if seed < 2 else 1.0)
    steady = (C, lambda seed: 0.5)
    search = make_scripted(store, FakePool(1, losses=losses_of(lucky, steady)), [A, B, C, *[B, D] * 8], NOISE)
    progress = search.run()
    assert progress.best_id == 2
    assert progress.best_fitness == pytest.approx(judge().fitness(_scores(store, C)))
    by_id = {m.id: m for m in members_of(search)}
    assert len(_scores(store, B)) > 2
    assert progress.best_fitness is not None
    assert by_id[max(by_id) - 1].judged < progress.best_fitness


def _scores(store: Store, program: Program) -> list:
    return [e.score for e in store.evaluations(subject=functional_hash(program))]


def test_all_that_share_the_entry_are_judged_by_the_mean_of_all_seeds(store: Store) -> None:
    """With caution, whose part shrinks as seeds are added."""
    cautious = judge(1.0)
    pool = FakePool(1, losses=losses_of((B, lambda seed: 0.5 + 0.01 * seed)))
    search = make_scripted(store, pool, [A, *[B, C] * 8], NOISE, judge=cautious)
    search.run()
    scores = _scores(store, B)
    assert len(scores) == 7
    expected = cautious.fitness(scores) - cautious.standard_error(scores)
    own = [m.judged for m in members_of(search) if m.hash == HASH_B]
    assert own == pytest.approx([expected] * len(own))


def test_a_program_that_fails_on_a_further_seed_is_a_failure(store: Store) -> None:
    pool = FakePool(
        1, losses=lambda p, task, seed: None if seed == 2 and functional_hash(p) == HASH_B else 0.5
    )
    search = make_scripted(store, pool, [A, *[B, C] * 6], NOISE)
    search.run()
    own = [i for i in log_of(store)[0] if i.hash == HASH_B]
    assert [i.status for i in own] == [Status.OK, Status.OK, *[Status.DIVERGED] * 4]
    assert {m.judged for m in members_of(search) if m.hash == HASH_B} == {-math.inf}
    assert [i.outcome for i in own].count(Outcome.RESAMPLED) == 1


# Hurdles.

HURDLE = changed(SETTINGS, hurdle={"percentile": 60, "window": 1000})


def numbered(count: int) -> list[Program]:
    return [constant(0.001 * (n + 1)) for n in range(count)]


def test_nothing_is_stopped_before_there_are_first_losses_enough(store: Store) -> None:
    """The individual that a proposal sees last is a lag and one before it."""
    pool = FakePool(1)
    make_scripted(store, pool, numbered(MIN_FIRST_LOSSES + 3), HURDLE).run()
    assert [job.max_first_loss is None for job in pool.jobs].index(
        False
    ) == MIN_FIRST_LOSSES + HURDLE.loop.lag


def test_the_hurdle_is_the_percentile_of_the_first_losses(store: Store) -> None:
    programs = numbered(80)
    order = random.Random(0).sample(range(80), 80)
    table = {functional_hash(p): 1.0 + place / 100 for p, place in zip(programs, order, strict=True)}
    pool = FakePool(1, losses=lambda p, task, seed: table[functional_hash(p)])
    make_scripted(store, pool, programs, HURDLE).run()
    first = [e.score.loss for e in store.evaluations() if e.score.seed == 0]
    for place, job in enumerate(pool.jobs[MIN_FIRST_LOSSES + 1 :], MIN_FIRST_LOSSES + 1):
        seen = sorted(first[: place - HURDLE.loop.lag])  # type: ignore[type-var]
        assert job.max_first_loss == seen[int(0.6 * len(seen))]


def test_what_does_not_pass_is_logged_as_stopped_with_its_loss(store: Store) -> None:
    programs = numbered(80)
    make_scripted(store, FakePool(1), programs, HURDLE).run()
    individuals, evaluations = log_of(store)
    stopped = [i for i in individuals if i.status is Status.STOPPED]
    assert 3 <= len(stopped) <= 25
    for row in stopped:
        (own,) = [e.score for e in evaluations if e.individual_id == row.id]
        assert own.status is Status.STOPPED
        assert own.loss is not None


def test_the_time_that_hurdles_saved_is_estimated(store: Store) -> None:
    """Each stopped program did one of two trainings, half a second each; failed ones took time, too."""
    progress = make_scripted(store, FakePool(1), numbered(80), HURDLE).run()
    saved = 0.5 * progress.failures[Status.STOPPED]
    spent = sum(e.score.seconds for e in store.evaluations(stage=Stage.SEARCH) if e.individual_id is not None)
    assert progress.stopped_share == pytest.approx(saved / (saved + spent))


def test_further_seeds_and_second_chances_have_no_hurdle(store: Store) -> None:
    own = changed(HURDLE, noise={"max_seeds": 8, "hits": 1, "near": 1e9})
    pool = FakePool(1)
    make_scripted(store, pool, [*numbered(60), A, A, A, A, A], own).run()
    again = [job for job in pool.jobs if job.samples[0][1] != 0]
    assert again
    assert all(job.max_first_loss is None and not job.alternatives for job in again)


def test_a_parent_whose_children_are_rejected_is_mutated_again_and_again(store: Store) -> None:
    """All but the initial program fail: parents stay, and every chain of retries is as long as allowed."""
    initial = functional_hash(A)
    own = changed(
        SETTINGS, lag=0, until_changed=1.0, hurdle={"percentile": 60, "rejects": True},
        mutation=MutationSpace(functions=("sign", "add")),
    )  # fmt: skip
    pool = FakePool(1, losses=lambda p, task, seed: 0.5 if functional_hash(p) == initial else None)
    search = make_search(store, pool, Budget(programs=60), own, initial=A)
    search.run()
    individuals, _ = log_of(store)
    assert {i.parent_id for i in individuals[1:]} == {0}
    retries: dict[int | None, int] = {None: -1}
    for row in individuals:
        retries[row.id] = retries[row.retry_of] + 1
    cycle = list(range(MAX_RETRIES + 1))
    assert list(retries.values())[2:] == (cycle * 10)[:59]


# Prices.


def test_of_two_programs_that_train_alike_the_cheaper_is_the_better(store: Store) -> None:
    long = parse(
        "def train(w, g, lr):\n    v1 = sign(g)\n    v2 = v1 * w\n    update = v2 + g\n    return update"
    )
    pool = FakePool(1, losses=lambda p, task, seed: 0.5)
    priced = judge(statement_price=0.01)
    search = make_scripted(store, pool, [long, A], SETTINGS, judge=priced)
    progress = search.run()
    assert progress.best_id == 1
    costs = [len(canonicalise(p).applications) * 0.01 for p in (long, A)]
    assert [m.price for m in members_of(search)] == pytest.approx(costs)
    assert progress.best_judged == pytest.approx(progress.best_fitness - costs[1])  # type: ignore[operator]


# Restarts.


@pytest.mark.parametrize("seed", [0, 1])
def test_a_restart_is_from_the_best_of_all_that_was_known_then(store: Store, seed: int) -> None:
    """With one seed for all and no lag, so that the log says what was known."""
    own = changed(EVERYTHING, lag=0, noise=None, hurdle=None)
    plain = judge(losses=(1.0, 1.0))
    make_search(store, FakePool(1), Budget(programs=250), own, seed=seed, judge=plain).run()
    individuals, evaluations = log_of(store)
    fitness = {}
    for row in individuals:
        own = [e.score for e in evaluations if e.individual_id == row.id and e.subject == row.hash]
        if own:
            fitness[row.id] = plain.fitness(own)
    restarts = [i for i in individuals if i.mutation == "restart"]
    assert len(restarts) >= 3
    for restart in restarts:
        parent = individuals[restart.parent_id]  # type: ignore[index]
        assert restart.program == parent.program
        assert restart.outcome in HITS
        last = max(i.id for i in individuals[: restart.id] if i.repeat == restart.repeat)
        assert fitness[parent.scored_id] == max(value for id_, value in fitness.items() if id_ <= last)
