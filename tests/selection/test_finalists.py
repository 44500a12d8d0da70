"""From a noisy search to one measured winner, with losses written by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.baseline import Baseline, load_baselines
from lion_search.proxy_tasks.jobs import Job, JobResult
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.workers.pool import Finished
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store
from lion_search.selection.comparison import Row
from lion_search.selection.finalists import Finalist, choose_winner, measure_on_test

TASK = "digits_mlp"
BASELINE = load_baselines(TASK).baselines["adamw"]
NUM_SEEDS = 8
Losses = Mapping[str, float | None]


def program(number: int) -> Program:
    """Programs with a redundant statement, so that genome and canonical form differ."""
    return parse(f"def train(w, g, lr):\n    v1 = w * w\n    update = g * 0.{number}1\n    return update")


HASH = {n: functional_hash(program(n)) for n in range(1, 10)}


def spread(mean: float, seed: int) -> float:
    """Losses around a mean, the same deviation for everyone on one seed."""
    return mean * (1 + 0.01 * ((seed % 7) - 3))


class FakePool:
    """Answers in reverse order with losses around a mean by functional hash; ``None`` diverges."""

    room = 8

    def __init__(self, means: Losses, baseline: float | None = 0.3) -> None:
        self._means = means
        self._baseline = baseline
        self._waiting: list[tuple[int, Job]] = []
        self.jobs: list[Job] = []

    def submit(self, job_id: int, payload: Job) -> None:
        self.jobs.append(payload)
        self._waiting.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        job_id, job = self._waiting.pop()
        is_baseline = isinstance(job.subject, Baseline)
        mean = self._baseline if is_baseline else self._means[functional_hash(job.subject)]  # type: ignore[arg-type]
        if mean is None:
            task, seed, part = job.samples[0]
            score = Score(task, part, seed, Status.DIVERGED, None, 3, 0.1, "no")
            return [Finished(job_id, JobResult((score,)))]
        scores = (Score(t, p, s, Status.OK, spread(mean, s), 250, 0.1) for t, s, p in job.samples)
        return [Finished(job_id, JobResult(tuple(scores)))]


def individual(number: int, own: int, outcome: Outcome, status: Status, num_states: int = 0) -> Individual:
    """An individual with one of the programs."""
    return Individual(
        id=number, draw=number, repeat=0, era=0, parent_id=None, mutation="insert",
        program=format_program(program(own)), hash=HASH[own], proposed_hash=HASH[own], fingerprint=None,
        outcome=outcome, status=status, scored_id=number, update_scale=1.0, num_statements=2,
        num_live_statements=1, num_states=num_states, num_canonical_statements=1,
    )  # fmt: skip


def log_search(store: Store, losses: Mapping[int, float | None]) -> None:
    """A search that evaluated these programs, with a hit of each, and the baseline."""
    individuals, evaluations = (
        [],
        [
            Evaluation(
                Stage.SEARCH, BASELINE_SUBJECT, Score(TASK, Part.VALIDATION, 0, Status.OK, 0.3, 250, 0.1)
            )
        ],
    )
    for outcome in (Outcome.EVALUATED, Outcome.SEEN):
        for number, loss in losses.items():
            status = Status.OK if loss is not None else Status.DIVERGED
            own = individual(len(individuals), number, outcome, status)
            individuals.append(own)
            if outcome is Outcome.EVALUATED:
                score = Score(TASK, Part.VALIDATION, 0, status, loss, 250, 0.1)
                evaluations.append(Evaluation(Stage.SEARCH, HASH[number], score, own.id))
    store.append(individuals, evaluations)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


def choose(store: Store, pool: FakePool, num_finalists: int = 3) -> list[Finalist]:
    return choose_winner(
        store,
        pool,
        baselines={TASK: BASELINE},
        num_finalists=num_finalists,
        num_seeds=NUM_SEEDS,  # type: ignore[arg-type]
    )


def hashes(finalists: Sequence[Finalist]) -> list[str]:
    return [f.individual.hash for f in finalists]


# Choosing.


def test_the_winner_is_the_best_on_fresh_seeds_not_in_the_search(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15, 3: 0.20})
    found = choose(store, FakePool({HASH[1]: 0.5, HASH[2]: 0.4, HASH[3]: 0.2}))
    assert hashes(found) == [HASH[3], HASH[2], HASH[1]]


def test_a_finalist_keeps_both_its_fitnesses(store: Store) -> None:
    log_search(store, {1: 0.10})
    (found,) = choose(store, FakePool({HASH[1]: 0.5}))
    assert found.search_fitness == pytest.approx(min(1, math.log(0.3 / 0.10)))
    assert found.fitness == pytest.approx(math.log(0.3 / 0.5))


def test_only_the_best_of_the_search_are_finalists(store: Store) -> None:
    log_search(store, {1: 0.5, 2: 0.2, 3: 0.4, 4: 0.3})
    pool = FakePool(dict.fromkeys(HASH.values(), 0.2))
    assert set(hashes(choose(store, pool, num_finalists=2))) == {HASH[2], HASH[4]}
    assert len(pool.jobs) == 3, "two programs and the baseline"


def test_a_program_that_failed_in_the_search_is_never_a_finalist(store: Store) -> None:
    log_search(store, {1: None, 2: 5.0, 3: None})
    assert hashes(choose(store, FakePool({HASH[2]: 5.0}), num_finalists=12)) == [HASH[2]]


def test_there_is_no_winner_if_everything_failed(store: Store) -> None:
    log_search(store, {1: None, 2: None})
    assert choose(store, FakePool({})) == []


def test_a_finalist_that_fails_on_a_fresh_seed_is_out(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    assert hashes(choose(store, FakePool({HASH[1]: None, HASH[2]: 0.7}))) == [HASH[2]]


def test_nobody_wins_if_all_fail_on_fresh_seeds(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    assert choose(store, FakePool({HASH[1]: None, HASH[2]: None})) == []


def test_if_the_best_all_fail_on_fresh_seeds_the_next_best_are_tried(store: Store) -> None:
    """A search on one seed finds programs that diverge on most others; its run must not end with nothing."""
    log_search(store, {1: 0.10, 2: 0.11, 3: 0.12, 4: 0.13, 5: 0.14})
    means = {HASH[1]: None, HASH[2]: None, HASH[3]: None, HASH[4]: 0.7, HASH[5]: 0.1}
    pool = FakePool(means)
    assert hashes(choose(store, pool, num_finalists=2)) == [HASH[4]]
    assert len(pool.jobs) == 5, "four programs, and the baseline once; the fifth was not needed"


def test_a_finalist_is_the_first_individual_of_its_hash(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    found = choose(store, FakePool({HASH[1]: 0.2, HASH[2]: 0.3}))
    assert [f.individual.id for f in found] == [0, 1]


def test_finalists_are_trained_on_the_seeds_of_selection_on_validation(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    pool = FakePool({HASH[1]: 0.2, HASH[2]: 0.3})
    choose(store, pool)
    expected = tuple((TASK, seed, Part.VALIDATION) for seed in Stage.SELECTION.seeds(NUM_SEEDS))
    assert [job.samples for job in pool.jobs] == [expected] * 3


def test_what_is_trained_is_the_canonical_form(store: Store) -> None:
    log_search(store, {1: 0.10})
    pool = FakePool({HASH[1]: 0.2})
    choose(store, pool)
    assert canonicalise(program(1)).program() in [job.subject for job in pool.jobs]


def test_selection_is_logged_with_its_stage(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    before = store.evaluations(stage=Stage.SEARCH)
    choose(store, FakePool({HASH[1]: 0.2, HASH[2]: None}))
    assert store.evaluations(stage=Stage.SEARCH) == before
    logged = store.evaluations(stage=Stage.SELECTION)
    by_subject = {s: [e for e in logged if e.subject == s] for s in (BASELINE_SUBJECT, HASH[1], HASH[2])}
    assert [len(rows) for rows in by_subject.values()] == [NUM_SEEDS, NUM_SEEDS, 1]
    assert [e.score.loss for e in by_subject[HASH[1]]] == [spread(0.2, s) for s in Stage.SELECTION.seeds(8)]
    assert {s: {e.individual_id for e in rows} for s, rows in by_subject.items()} == {
        BASELINE_SUBJECT: {None}, HASH[1]: {0}, HASH[2]: {1}
    }  # fmt: skip


def test_a_baseline_that_cannot_be_trained_is_an_error(store: Store) -> None:
    log_search(store, {1: 0.10})
    with pytest.raises(TaskError, match="the baseline cannot be trained"):
        choose(store, FakePool({HASH[1]: 0.2}, baseline=None))


def test_prices_are_taken_off_when_finalists_are_compared(store: Store) -> None:
    """A step in fitness of 0.05 for a state is worth less than a state at 0.1, and more than one at 0.01."""
    rows = [individual(n, n + 1, Outcome.EVALUATED, Status.OK, num_states=1 - n) for n in (0, 1)]
    losses = {BASELINE_SUBJECT: (0.3, None), HASH[1]: (0.1, 0), HASH[2]: (0.1, 1)}
    evaluations = [
        Evaluation(Stage.SEARCH, subject, Score(TASK, Part.VALIDATION, 0, Status.OK, loss, 250, 0.1), id_)
        for subject, (loss, id_) in losses.items()
    ]
    store.append(rows, evaluations, {"judge": {"state_price": 0.1}})
    found = choose(store, FakePool({HASH[1]: 0.2, HASH[2]: 0.2 * math.exp(0.05)}))
    assert hashes(found) == [HASH[2], HASH[1]]
    assert [f.price for f in found] == pytest.approx([0.0, 0.1])
    assert found[1].fitness == pytest.approx(found[0].fitness + 0.05), "prices are not taken off fitness"


def test_a_selection_that_was_cut_short_goes_on_where_it_was(store: Store) -> None:
    log_search(store, {1: 0.10, 2: 0.15})
    losses = {HASH[1]: 0.2, HASH[2]: 0.3}
    first = choose(store, FakePool(losses))
    logged = store.evaluations()
    pool = FakePool({})
    assert choose(store, pool) == first
    assert pool.jobs == []
    assert store.evaluations() == logged


# Measuring.


def finalist(number: int) -> Finalist:
    own = individual(40 + number, number, Outcome.EVALUATED, Status.OK)
    return Finalist(own, 0.5, 0.4, 0.0)


def measure(store: Store, pool: FakePool, num_seeds: int = NUM_SEEDS) -> list[Row]:
    return measure_on_test(
        store, pool, winner=finalist(1), programs={}, others={"tuned adamw": BASELINE, "start": program(2)},  # type: ignore[arg-type]
        task=TASK, num_seeds=num_seeds,
    )  # fmt: skip


def test_everyone_is_trained_on_the_seeds_of_the_test_on_the_test_part(store: Store) -> None:
    pool = FakePool({HASH[1]: 0.2, HASH[2]: 0.5})
    measure(store, pool)
    expected = tuple((TASK, seed, Part.TEST) for seed in Stage.TEST.seeds(NUM_SEEDS))
    assert [job.samples for job in pool.jobs] == [expected] * 3


def test_rows_hold_the_winner_first_and_the_losses_of_each(store: Store) -> None:
    rows = measure(store, FakePool({HASH[1]: 0.2, HASH[2]: 0.5}))
    assert [(r.name, r.task) for r in rows] == [("winner", TASK), ("tuned adamw", TASK), ("start", TASK)]
    for row, mean in zip(rows, (0.2, 0.3, 0.5), strict=True):
        assert row.losses == tuple(spread(mean, s) for s in Stage.TEST.seeds(NUM_SEEDS))


def test_tests_are_logged_with_their_stage(store: Store) -> None:
    measure(store, FakePool({HASH[1]: 0.2, HASH[2]: 0.5}))
    logged = store.evaluations(stage=Stage.TEST)
    assert store.evaluations() == logged
    assert {(e.subject, e.individual_id) for e in logged} == {
        (HASH[1], 41),
        ("baseline:tuned adamw", None),
        ("baseline:start", None),
    }
    assert {e.score.part for e in logged} == {Part.TEST}
    assert len(logged) == 3 * NUM_SEEDS


def test_a_row_of_a_failed_training_says_so(store: Store) -> None:
    rows = measure(store, FakePool({HASH[1]: 0.2, HASH[2]: None}))
    assert rows[2].losses == ()
    assert math.isnan(rows[2].mean)
    assert all(map(math.isnan, rows[0].difference(rows[2])))
    assert not math.isnan(rows[0].mean)
