"""From a noisy search to one measured winner, with losses written by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from logs import Log, score
from pools import HASH, FakePool, by_program, program, spread, trained

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.baseline import load_baselines
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.results.ranking import rank
from lion_search.results.records import BASELINE_SUBJECT, Outcome, Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Measurement
from lion_search.selection.constants import constants
from lion_search.selection.finalists import Finalist, choose_winner, measure_on_test

TASK = "digits_mlp"
BASELINE = load_baselines(TASK).baselines["adamw"]
NUM_SEEDS = 8


def pool_of(means: Mapping[int, float | None], baseline: float | None = 0.3) -> FakePool:
    """Its losses are around a mean for each program; ``None`` diverges."""
    return FakePool(by_program(means, None if baseline is None else lambda seed: spread(baseline, seed)))


def text(number: int) -> str:
    return format_program(program(number))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "log.db")
    log.add_baseline([0.3], task=TASK)
    return log


def log_search(log: Log, losses: Mapping[int, float | None]) -> None:
    """A search that evaluated these programs, with a hit of each."""
    for number, loss in losses.items():
        log.add(HASH[number], [score(loss, task=TASK)], program=text(number))
    for number in losses:
        log.add(HASH[number], outcome=Outcome.SEEN, program=text(number))


def choose(log: Log, pool: Any, num_finalists: int = 3, **options: Any) -> list[Finalist]:
    how = {"num_finalists": num_finalists, "num_seeds": NUM_SEEDS, **options}
    ranked = [row for row in rank(log.store, Stage.SEARCH) if row.status is Status.OK]
    return choose_winner(log.store, pool, candidates=ranked, baselines={TASK: BASELINE}, **how)


def numbers(finalists: Sequence[Finalist]) -> list[int]:
    """Of their programs."""
    return [next(n for n, hash_ in HASH.items() if hash_ == f.individual.hash) for f in finalists]


# Choosing.


@pytest.mark.parametrize(
    ("search", "fresh", "num_finalists", "winners"),
    [
        ({1: 0.10, 2: 0.15, 3: 0.20}, {1: 0.5, 2: 0.4, 3: 0.2}, 3, [3, 2, 1]),
        ({1: 0.5, 2: 0.2, 3: 0.4, 4: 0.3}, {2: 0.2, 4: 0.3}, 2, [2, 4]),
        ({1: None, 2: 5.0, 3: None}, {2: 5.0}, 12, [2]),
        ({1: None, 2: None}, {}, 3, []),
        ({1: 1e-6, 2: 1e-4, 3: 1e-5}, {1: 1e-5, 3: 1e-6}, 2, [3, 1]),
        ({1: 3.0, 2: 5.0, 3: 4.0}, {1: 5.0, 3: 4.0}, 2, [3, 1]),
        ({1: 0.10, 2: 0.15}, {1: None, 2: 0.7}, 3, [2]),
        ({1: 0.10, 2: 0.15}, {1: None, 2: None}, 3, []),
        ({1: 0.10, 2: 0.11, 3: 0.12, 4: 0.13, 5: 0.14}, {1: None, 2: None, 3: None, 4: 0.7}, 2, [4]),
    ],
    ids=[
        *("the best on fresh seeds wins", "only the best of the search are finalists"),
        *("what failed in the search is no finalist", "there is no winner if everything failed"),
        *("however far ahead", "however far behind"),
        *("what fails on a fresh seed is out", "nobody wins if all fail on fresh seeds"),
        "if the best all fail on fresh seeds the next best are tried",
    ],
)
def test_finalists_are_the_best_of_the_search_by_fresh_seeds(
    log: Log,
    search: dict[int, float | None],
    fresh: dict[int, float | None],
    num_finalists: int,
    winners: list[int],
) -> None:
    """Nothing else is trained but the baseline, once."""
    log_search(log, search)
    pool = pool_of(fresh)
    assert numbers(choose(log, pool, num_finalists)) == winners
    assert len(pool.jobs) == (len(fresh) + 1 if fresh else 0)


def test_what_fails_on_a_fresh_seed_is_told_with_the_reason(log: Log) -> None:
    log_search(log, {1: 0.10, 2: 0.15})
    lines: list[str] = []
    choose(log, pool_of({1: None, 2: 0.7}), report=lines.append)
    (seed, *_) = Stage.SELECTION.seeds(NUM_SEEDS)
    assert lines == [f"0 is no finalist: diverged on {TASK}, seed {seed}: not finite after step 3"]


def test_a_finalist_keeps_both_its_fitnesses_and_is_the_first_individual_of_its_hash(log: Log) -> None:
    log_search(log, {1: 0.15, 2: 0.20})
    one, two = choose(log, pool_of({1: 0.5, 2: 0.6}))
    assert (one.individual.id, two.individual.id) == (0, 1)
    assert one.search_fitness == pytest.approx(math.log(0.3 / 0.15))
    assert one.fitness == pytest.approx(math.log(0.3 / 0.5))


def test_canonical_forms_are_trained_on_the_seeds_of_selection_on_validation(log: Log) -> None:
    log_search(log, {1: 0.10, 2: 0.15})
    pool = pool_of({1: 0.2, 2: 0.3})
    choose(log, pool)
    expected = tuple((TASK, seed, Part.VALIDATION) for seed in Stage.SELECTION.seeds(NUM_SEEDS))
    assert [job.samples for job in pool.jobs] == [expected] * 3
    assert canonicalise(program(1)).program() in [job.subject for job in pool.jobs]


def test_selection_is_logged_with_its_stage(log: Log) -> None:
    log_search(log, {1: 0.10, 2: 0.15})
    before = log.store.evaluations(stage=Stage.SEARCH)
    choose(log, pool_of({1: 0.2, 2: None}))
    assert log.store.evaluations(stage=Stage.SEARCH) == before
    logged = {
        s: log.store.evaluations(stage=Stage.SELECTION, subject=s)
        for s in (BASELINE_SUBJECT, HASH[1], HASH[2])
    }
    assert [len(rows) for rows in logged.values()] == [NUM_SEEDS, NUM_SEEDS, 1]
    assert [e.score.loss for e in logged[HASH[1]]] == [spread(0.2, s) for s in Stage.SELECTION.seeds(8)]
    assert [{e.individual_id for e in rows} for rows in logged.values()] == [{None}, {0}, {1}]


def test_a_baseline_that_cannot_be_trained_is_an_error(log: Log) -> None:
    log_search(log, {1: 0.10})
    with pytest.raises(TaskError, match="the baseline cannot be trained"):
        choose(log, pool_of({1: 0.2}, baseline=None))


def test_prices_are_taken_off_when_finalists_are_compared(log: Log) -> None:
    """A step in fitness of 0.05 is worth less than a state at 0.1."""
    for number, num_states in ((1, 1), (2, 0)):
        log.add(HASH[number], [score(0.1, task=TASK)], program=text(number), num_states=num_states)
    log.store.append([], [], {"judge": {"state_price": 0.1}})
    found = choose(log, pool_of({1: 0.2, 2: 0.2 * math.exp(0.05)}))
    assert numbers(found) == [2, 1]
    assert [f.price for f in found] == pytest.approx([0.0, 0.1])
    assert found[1].fitness == pytest.approx(found[0].fitness + 0.05), "prices are not taken off fitness"


def test_a_selection_that_was_cut_short_goes_on_where_it_was(log: Log) -> None:
    log_search(log, {1: 0.10, 2: 0.15})
    first = choose(log, pool_of({1: 0.2, 2: 0.3}))
    logged, pool = log.store.evaluations(), pool_of({})
    assert choose(log, pool) == first
    assert pool.jobs == []
    assert log.store.evaluations() == logged


def test_the_first_finalists_are_entered_again_with_tuned_constants(log: Log) -> None:
    """Here a larger constant is better; a program's number is its constant's first digit."""
    log_search(log, {1: 0.30, 2: 0.20, 3: 0.25})

    def answer(job: Job) -> tuple[Score, ...]:
        if not isinstance(job.subject, Program):
            return trained(job, lambda seed: spread(0.3, seed))
        (constant,) = constants(job.subject)
        return trained(job, lambda seed: spread(0.2 - 0.1 * constant, seed))

    found = choose(log, FakePool(answer), num_tuned=1)
    assert [f.is_tuned for f in found] == [True, False, False, False]
    best = found[0]
    assert best.individual.id == found[1].individual.id == 2, "the best on fresh seeds is tuned"
    assert constants(best.program)[0] > 0.31
    assert best.search_fitness == found[1].search_fitness
    assert best.fitness > found[1].fitness


# Measuring.


def measure(store: Store, pool: Any) -> list[Measurement]:
    others = {"tuned adamw": BASELINE, "start": program(2)}
    how = {"task": TASK, "num_seeds": NUM_SEEDS, "individual_ids": {HASH[1]: 41}}
    return measure_on_test(store, pool, programs={"winner": program(1)}, others=others, **how)


def test_everyone_is_measured_on_the_seeds_of_the_test_on_the_test_part_the_winner_first(log: Log) -> None:
    pool, seeds = pool_of({1: 0.2, 2: 0.5}), Stage.TEST.seeds(NUM_SEEDS)
    rows = measure(log.store, pool)
    assert [job.samples for job in pool.jobs] == [tuple((TASK, seed, Part.TEST) for seed in seeds)] * 3
    means = {"winner": 0.2, "tuned adamw": 0.3, "start": 0.5}
    assert [(row.name, row.task) for row in rows] == [(name, TASK) for name in means]
    assert [row.losses for row in rows] == [tuple(spread(mean, s) for s in seeds) for mean in means.values()]


def test_tests_are_logged_with_their_stage(log: Log) -> None:
    measure(log.store, pool_of({1: 0.2, 2: 0.5}))
    logged = log.store.evaluations(stage=Stage.TEST)
    subjects = {(HASH[1], 41), ("baseline:tuned adamw", None), ("baseline:start", None)}
    assert {(e.subject, e.individual_id) for e in logged} == subjects
    assert {e.score.part for e in logged} == {Part.TEST}
    assert len(logged) == 3 * NUM_SEEDS


def test_constants_that_were_tuned_anew_are_measured_anew(log: Log) -> None:
    """On a rung of a funnel that is another one by now."""
    pool = pool_of({1: 0.2})
    for decay in (0.1, 0.2):
        point = tuple((name, decay if name == "weight_decay" else v) for name, v in BASELINE.hyperparameters)
        others = {"tuned adamw": replace(BASELINE, hyperparameters=point)}
        how: Any = {"task": TASK, "num_seeds": NUM_SEEDS, "individual_ids": {}, "by_name": False}
        _, row = measure_on_test(log.store, pool, programs={"winner": program(1)}, others=others, **how)
        assert f"weight_decay={decay}" in row.subject
    assert sum(len(job.samples) for job in pool.jobs) == 3 * NUM_SEEDS


def test_a_row_of_a_failed_training_says_so(log: Log) -> None:
    winner, _, start = measure(log.store, pool_of({1: 0.2, 2: None}))
    assert start.losses == ()
    assert math.isnan(start.mean)
    assert all(map(math.isnan, winner.difference(start)))
    assert not math.isnan(winner.mean)
