"""Nothing is evaluated twice: by hash, by fingerprint, while in flight, and with scores of earlier runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from searching import (
    HASH_A,
    SCRIPTED,
    TASK,
    A,
    B,
    C,
    D,
    FakePool,
    PatientPool,
    changed,
    log_of,
    make_scripted,
    members_of,
)

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import Individual, Outcome
from lion_search.results.store import Store


def program(*lines: str) -> Program:
    body = "".join(f"    {line}\n" for line in (*lines, "return update"))
    return parse(f"def train(w, g, lr):\n{body}")


ONE, OTHER, THIRD = (
    program("update = g * 1.0"),
    program("update = maximum(g, minimum(g, w))"),
    program("update = minimum(g, maximum(g, w))"),
)
"""Programs that compute the same and have different hashes."""
HALVES = changed(SCRIPTED, update_scales=(1.0, 0.5), lag=2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


def individuals(store: Store) -> list[Individual]:
    return log_of(store)[0]


def outcomes(store: Store) -> list[Outcome]:
    return [i.outcome for i in individuals(store)]


E, S, F = Outcome.EVALUATED, Outcome.SEEN, Outcome.FINGERPRINT


def test_the_examples_are_told_apart_by_hash_alone() -> None:
    assert len({functional_hash(p) for p in (ONE, OTHER, THIRD)}) == 3
    assert len({fingerprint(canonicalise(p).program()) for p in (ONE, OTHER, THIRD)}) == 1


# By fingerprint.


def test_programs_of_one_fingerprint_share_scores(store: Store) -> None:
    pool = FakePool(1)
    search = make_scripted(store, pool, [A, ONE, OTHER, THIRD, OTHER])
    search.run()
    assert outcomes(store) == [E, E, F, F, S]
    assert len(pool.jobs) == 2
    rows = individuals(store)
    assert [i.scored_id for i in rows] == [0, 1, 1, 1, 1]
    assert [i.hash for i in rows[2:]] == [functional_hash(p) for p in (OTHER, THIRD, OTHER)]
    assert len({m.judged for m in members_of(search)[1:]}) == 1


def test_a_fingerprint_is_logged_where_it_was_computed(store: Store) -> None:
    make_scripted(store, FakePool(1), [A, ONE, OTHER, ONE, OTHER]).run()
    keys = [i.fingerprint for i in individuals(store)]
    assert keys[1] == keys[2] == fingerprint(ONE)
    assert keys[0] == fingerprint(canonicalise(A).program())
    assert keys[3:] == [None, None]


def test_a_fingerprint_is_found_while_its_program_is_in_flight(store: Store) -> None:
    make_scripted(store, PatientPool(3), [A, ONE, OTHER, B]).run()
    assert outcomes(store) == [E, E, F, E]


def test_without_fingerprints_both_are_evaluated(store: Store) -> None:
    pool = FakePool(1)
    make_scripted(store, pool, [A, ONE, OTHER], changed(SCRIPTED, fingerprint=False)).run()
    assert outcomes(store) == [E, E, E]
    assert len(pool.jobs) == 3
    assert {i.fingerprint for i in individuals(store)} == {None}


def test_a_failure_is_shared_by_fingerprint_and_gets_no_second_chance_through_it(store: Store) -> None:
    """What only shares the fingerprint is another program: it is not trained in its place."""
    hash_ = functional_hash(ONE)
    pool = FakePool(1, brings_down=lambda job: functional_hash(job.subject) == hash_)  # type: ignore[arg-type]
    make_scripted(store, pool, [A, ONE, OTHER, A, A, OTHER, ONE], changed(SCRIPTED, lag=2)).run()
    rows = individuals(store)
    assert [i.outcome for i in rows[1:]] == [E, F, S, S, S, E]
    assert [i.status for i in rows[1:]] == [Status.CRASHED] * 2 + [Status.OK] * 2 + [Status.CRASHED] * 2


# With scores of earlier runs.

EARLIER = tuple(Score(TASK, Part.VALIDATION, seed, Status.OK, 0.25, 250, 0.5) for seed in (0, 1))


def test_scores_of_an_earlier_run_are_taken_from_there(store: Store) -> None:
    pool = FakePool(1)
    search = make_scripted(store, pool, [B, A, A, C], earlier_scores={HASH_A: EARLIER})
    progress = search.run()
    assert outcomes(store) == [E, Outcome.REUSED, S, E]
    assert HASH_A not in pool.hashes
    assert [e.score for e in store.evaluations(subject=HASH_A)] == list(EARLIER)
    assert (progress.num_evaluated, progress.num_novel) == (2, 3)
    a = members_of(search)[1]
    assert (a.hash, a.judged) == (HASH_A, pytest.approx(math.log(4)))
    assert progress.best_id == 1


def test_what_was_taken_from_an_earlier_run_is_shared_by_fingerprint(store: Store) -> None:
    earlier = {functional_hash(ONE): EARLIER}
    make_scripted(store, FakePool(1), [A, ONE, OTHER], earlier_scores=earlier).run()
    assert outcomes(store) == [E, Outcome.REUSED, F]


# With update scales.

FOUR, TWO_HALVES = program("update = g * 4.0"), program("update = g * 2.0")


def prefers(*programs: Program):
    """Losses by which these programs are the best."""
    good = {canonicalise(p).program() for p in programs}
    return lambda p, task, seed: 0.5 if canonicalise(p).program() in good else 1.0


def test_the_best_scale_is_kept_and_folded_into_the_genome(store: Store) -> None:
    pool = FakePool(1, losses=prefers(TWO_HALVES))
    make_scripted(store, pool, [A, FOUR], HALVES).run()
    row = individuals(store)[1]
    assert parse(row.program) == scale_update(FOUR, 0.5) == TWO_HALVES
    assert row.hash == functional_hash(TWO_HALVES)
    assert row.proposed_hash == functional_hash(FOUR)
    assert row.update_scale == 0.5
    assert pool.jobs[1].alternatives == (canonicalise(TWO_HALVES).program(),)


def test_the_program_that_was_trained_has_the_individuals_hash(store: Store) -> None:
    pool = FakePool(1, losses=prefers(TWO_HALVES))
    make_scripted(store, pool, [A, FOUR], HALVES).run()
    rows = [e for e in store.evaluations() if e.individual_id == 1]
    kept, proposed = functional_hash(TWO_HALVES), functional_hash(FOUR)
    assert [(e.subject, e.score.seed, e.score.loss) for e in rows] == [
        (proposed, 0, 1.0),
        (kept, 0, 0.5),
        (kept, 1, 0.5),
    ]


def test_a_scale_that_is_not_better_is_not_kept(store: Store) -> None:
    make_scripted(store, FakePool(1, losses=lambda p, task, seed: 1.0), [A, FOUR], HALVES).run()
    row = individuals(store)[1]
    assert (row.hash, row.update_scale, parse(row.program)) == (row.proposed_hash, 1.0, FOUR)


@pytest.mark.parametrize("gap", [0, 6])
def test_later_individuals_with_the_proposed_hash_share_the_scale(store: Store, gap: int) -> None:
    """Whether the first is in flight or long known."""
    other = program("v1 = w * w", "update = 4.0 * g")
    pool = FakePool(8, losses=prefers(TWO_HALVES))
    make_scripted(store, pool, [A, FOUR, *[B, C] * (gap // 2), other], HALVES).run()
    row = individuals(store)[-1]
    assert (row.outcome, row.scored_id, row.update_scale) == (S, 1, 0.5)
    assert (row.hash, row.proposed_hash) == (functional_hash(TWO_HALVES), functional_hash(FOUR))
    assert parse(row.program) == scale_update(other, 0.5)
    assert row.num_statements == 2, "its own genome, scaled"


def test_later_individuals_of_its_fingerprint_share_the_scale_too(store: Store) -> None:
    pool = FakePool(8, losses=prefers(scale_update(ONE, 0.5)))
    make_scripted(store, pool, [A, ONE, OTHER], HALVES).run()
    row = individuals(store)[2]
    assert (row.outcome, row.scored_id, row.update_scale) == (F, 1, 0.5)
    assert parse(row.program) == scale_update(OTHER, 0.5)
    assert row.hash == functional_hash(scale_update(OTHER, 0.5))


def test_an_individual_with_the_kept_hash_is_a_hit_as_it_is(store: Store) -> None:
    pool = FakePool(8, losses=prefers(TWO_HALVES))
    make_scripted(store, pool, [A, FOUR, B, C, D, TWO_HALVES], HALVES).run()
    row = individuals(store)[-1]
    assert (row.outcome, row.scored_id, row.update_scale) == (S, 1, 1.0)
    assert (row.hash, row.proposed_hash) == (functional_hash(TWO_HALVES),) * 2
    assert len(pool.jobs) == 5


def test_a_program_that_scaling_does_not_change_is_trained_once(store: Store) -> None:
    still = program("update = g * 0.0")
    pool = FakePool(1)
    make_scripted(store, pool, [A, still], changed(HALVES, update_scales=(1.0, 0.5, 0.25))).run()
    assert pool.jobs[1].alternatives == ()
    assert [e.score.seed for e in store.evaluations(subject=functional_hash(still))] == [0, 1]


def test_reused_scores_are_not_scaled(store: Store) -> None:
    pool = FakePool(1)
    make_scripted(store, pool, [B, A], HALVES, earlier_scores={HASH_A: EARLIER}).run()
    row = individuals(store)[1]
    assert (row.outcome, row.update_scale, row.hash) == (Outcome.REUSED, 1.0, HASH_A)
    assert len(pool.jobs) == 1
