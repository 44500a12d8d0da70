"""The search loop against pools that answer in every order, and against the real evaluator."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from searching import (
    ADAMW,
    HASH_B,
    PLAIN,
    SAMPLES,
    A,
    B,
    C,
    D,
    FakePool,
    Log,
    PatientPool,
    baseline,
    changed,
    constant,
    fake_result,
    judge,
    log_of,
    make_scripted,
    make_search,
    members_of,
    settings,
)

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part, Status
from lion_search.proxy_tasks.workers.failures import FAILURE_STATUS
from lion_search.proxy_tasks.workers.pool import FailureKind, Finished, InlinePool, PoolError
from lion_search.proxy_tasks.workers.worker import make_worker
from lion_search.results.judge import Judge
from lion_search.results.records import HITS, PROGRESS_FACT, SEARCH_SECONDS_FACT, Outcome, Stage
from lion_search.results.store import Store
from lion_search.search.driver import Search
from lion_search.search.progress import Progress
from lion_search.search.settings import Budget

TWO = tuple((task, seed, Part.VALIDATION) for task, seed in SAMPLES)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


# The log does not depend on who evaluates, how fast, and in which order.


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> Log:
    store = Store.create(tmp_path_factory.mktemp("in order") / "log.db", {})
    make_search(store, FakePool(1), Budget(programs=400)).run()
    return log_of(store)


@pytest.mark.parametrize(("capacity", "seed"), [(1, 0), (2, 1), (7, 2), (16, 3), (16, 4), (1000, 5)])
def test_the_log_is_the_same_whatever_the_order_of_answers(
    store: Store, in_order: Log, capacity: int, seed: int
) -> None:
    make_search(store, FakePool(capacity, seed), Budget(programs=400)).run()
    individuals, evaluations = log_of(store)
    assert individuals == in_order[0]
    assert evaluations == in_order[1]


def test_the_log_is_the_same_from_an_inline_pool(store: Store, in_order: Log) -> None:
    pool = InlinePool(lambda: lambda jobs: [fake_result(job) for job in jobs], batch_size=8)
    make_search(store, pool, Budget(programs=400)).run()
    assert log_of(store) == in_order


def test_this_log_is_worth_comparing(in_order: Log) -> None:
    """It has hits, failures, children of children, and every kind of mutation."""
    individuals, evaluations = in_order
    assert sum(i.outcome in HITS for i in individuals) > 40
    assert Counter(i.status for i in individuals)[Status.DIVERGED] > 10
    assert {i.mutation for i in individuals} == {"initial", "insert", "delete", "modify"}
    depth = [0]
    for row in individuals[1:]:
        depth.append(depth[row.parent_id] + 1)  # type: ignore[index]
    assert max(depth) > 8
    assert len(evaluations) > 300


def test_another_seed_gives_another_log(store: Store, in_order: Log) -> None:
    make_search(store, FakePool(4), Budget(programs=50), seed=1).run()
    assert log_of(store)[0] != in_order[0][:50]


def test_a_smaller_budget_gives_a_prefix_of_the_log(store: Store, in_order: Log) -> None:
    make_search(store, FakePool(8, 6), Budget(programs=123)).run()
    assert log_of(store)[0] == in_order[0][:123]


# What is logged.


def test_each_individual_describes_its_program(in_order: Log) -> None:
    individuals, _ = in_order
    assert [i.id for i in individuals] == list(range(400))
    for row in individuals:
        program = parse(row.program)
        canonical = canonicalise(program)
        assert row.hash == canonical.hash
        assert row.num_statements == len(program.statements)
        assert row.num_live_statements == canonical.liveness.num_live_statements
        assert row.parent_id is None if row.id == 0 else row.parent_id < row.id  # type: ignore[operator]


def test_every_evaluation_is_logged_once_for_the_individual_that_caused_it(
    in_order: Log,
) -> None:
    individuals, evaluations = in_order
    evaluated = {i.id: i for i in individuals if i.outcome is Outcome.EVALUATED}
    assert {e.individual_id for e in evaluations} == set(evaluated)
    for row in evaluated.values():
        own = [e for e in evaluations if e.individual_id == row.id]
        job = Job(canonicalise(parse(row.program)).program(), TWO)
        assert [e.score for e in own] == list(fake_result(job).scores)
        assert {(e.stage, e.subject) for e in own} == {(Stage.SEARCH, row.hash)}


def test_what_is_evaluated_is_the_canonical_form(store: Store) -> None:
    pool = FakePool(4)
    make_search(store, pool, Budget(programs=60)).run()
    for job in pool.jobs:
        assert isinstance(job.subject, Program)
        assert canonicalise(job.subject).program() == job.subject


def test_the_log_grows_while_the_search_runs(store: Store) -> None:
    """With batches: what was committed is in the database when progress is told."""
    seen = []

    def look(progress: Progress) -> None:
        assert sum(store.counts().values()) == progress.num_programs
        seen.append(progress.num_programs)

    make_search(store, FakePool(4), Budget(programs=300), flush_seconds=0.0).run(on_progress=look)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == 300


# One evaluation for each hash.


def test_a_hash_is_evaluated_once(store: Store) -> None:
    pool = FakePool(16, 0)
    make_search(store, pool, Budget(programs=400), changed(PLAIN, fingerprint=False)).run()
    hashes = [functional_hash(job.subject) for job in pool.jobs]  # type: ignore[arg-type]
    assert len(set(hashes)) == len(hashes)
    individuals, _ = log_of(store)
    assert {i.hash for i in individuals} == set(hashes)


def test_a_hash_is_not_evaluated_again_while_it_is_in_flight(store: Store) -> None:
    make_scripted(store, PatientPool(4), [D, A, B, A, A, C, B]).run()
    outcomes = [i.outcome for i in log_of(store)[0]]
    e, h = Outcome.EVALUATED, Outcome.SEEN
    assert outcomes == [e, e, e, h, h, e, h]


def test_programs_that_differ_only_in_writing_are_one_hash(store: Store) -> None:
    other = parse("def train(w, g, lr):\n    v1 = w * w\n    update = 0.1 * g\n    return update")
    make_scripted(store, PatientPool(1), [A, other]).run()
    assert [i.outcome for i in log_of(store)[0]] == [Outcome.EVALUATED, Outcome.SEEN]


def test_a_hit_shares_status_and_fitness(store: Store) -> None:
    failing = next(p for p in map(constant, range(1, 1000)) if not _succeeds(p))
    search = make_scripted(store, FakePool(1), [A, failing, A, failing])
    search.run()
    assert [i.status for i in log_of(store)[0]] == [Status.OK, Status.DIVERGED] * 2
    fitness = [member.judged for member in members_of(search)]
    assert fitness[0] == fitness[2]
    assert fitness[1] == fitness[3] == -math.inf


def _succeeds(program: Program) -> bool:
    scores = fake_result(Job(canonicalise(program).program(), TWO)).scores
    return all(s.status is Status.OK for s in scores)


def test_fitness_is_relative_to_the_baselines_losses(store: Store) -> None:
    search = make_scripted(store, FakePool(1), [A], judge=judge(losses=(0.7, 0.9)))
    search.run()
    losses = [e.score.loss for e in store.evaluations()]
    assert members_of(search)[0].judged == pytest.approx(math.log(0.8 / (sum(losses) / 2)))  # type: ignore[arg-type]


# Budgets.


def test_the_budget_of_programs_is_met_exactly(store: Store) -> None:
    progress = make_search(store, FakePool(16, 0), Budget(programs=137)).run()
    assert progress.num_programs == 137 == len(log_of(store)[0])


def test_the_budget_of_evaluations_is_met_exactly(store: Store) -> None:
    pool = FakePool(16, 0)
    progress = make_search(store, pool, Budget(programs=10_000, evaluations=50)).run()
    assert progress.num_evaluated == 50 == len(pool.jobs)
    assert store.counts()["evaluated"] == 50


def test_the_budget_of_minutes_ends_a_search_without_other_limits(store: Store) -> None:
    pool = FakePool(16, 0)
    progress = make_search(store, pool, Budget(programs=10**9, minutes=0.2 / 60)).run()
    assert 0 < progress.num_programs < 10**9
    assert len({i.id for i in log_of(store)[0]}) == progress.num_programs
    assert len(pool.jobs) == progress.num_evaluated


@pytest.mark.parametrize("budget", [Budget(programs=1), Budget(programs=10_000, evaluations=1)])
def test_the_smallest_budget_is_the_initial_program(store: Store, budget: Budget) -> None:
    make_search(store, FakePool(16, 0), budget).run()
    assert [(i.id, i.mutation) for i in log_of(store)[0]] == [(0, "initial")]


# Stopping.


class StopWhenBusy:
    """Asks to stop, for ever, once a pool is full after some answers; notes what was submitted."""

    def __init__(self, pool: FakePool) -> None:
        self._pool = pool
        self.submitted: int | None = None
        self.calls_after = 0

    def __call__(self) -> bool:
        if self.submitted is None and len(self._pool.jobs) > 60 and self._pool.room == 0:
            self.submitted = len(self._pool.jobs)
        self.calls_after += self.submitted is not None
        return self.submitted is not None


def test_should_stop_waits_for_what_is_in_flight_and_logs_it(store: Store) -> None:
    pool = FakePool(4, 3)
    progress = make_search(store, pool, Budget(programs=10_000)).run(should_stop=StopWhenBusy(pool))
    individuals, evaluations = log_of(store)
    assert not pool.running
    assert progress.num_in_flight == 0
    assert len(individuals) == progress.num_programs < 10_000
    assert {e.subject for e in evaluations} == {functional_hash(j.subject) for j in pool.jobs}  # type: ignore[arg-type]


def test_nothing_is_submitted_after_should_stop(store: Store) -> None:
    pool = FakePool(4, 3)
    should_stop = StopWhenBusy(pool)
    make_search(store, pool, Budget(programs=10_000)).run(should_stop=should_stop)
    assert should_stop.calls_after > 1
    assert len(pool.jobs) == should_stop.submitted


def test_a_search_stopped_at_once_has_an_empty_log(store: Store) -> None:
    progress = make_search(store, FakePool(4), Budget(programs=100)).run(should_stop=lambda: True)
    assert progress.num_programs == 0
    assert log_of(store) == ([], [])


class BrokenPool(FakePool):
    """A pool that cannot go on after some answers."""

    def wait(self, timeout_seconds: float) -> list[Finished]:
        if len(self.jobs) > 50:
            raise PoolError("Ray is gone")
        return super().wait(timeout_seconds)


def test_what_was_committed_before_the_pool_broke_is_in_the_log(store: Store) -> None:
    search = make_search(store, BrokenPool(4), Budget(programs=10_000), flush_seconds=1e9)
    with pytest.raises(PoolError, match="Ray is gone"):
        search.run()
    assert len(log_of(store)[0]) == search.progress().num_programs > 40


# Failures.


def brings_down(*programs: Program):
    """Whether a job is to train one of these."""
    hashes = {functional_hash(program) for program in programs}
    return lambda job: functional_hash(job.subject) in hashes


def test_a_program_the_pool_cannot_evaluate_has_crashed_and_the_search_goes_on(store: Store) -> None:
    search = make_scripted(store, FakePool(4, 0, brings_down=brings_down(B)), [A, B, C, B, D])
    search.run()
    individuals, evaluations = log_of(store)
    ok, crashed = Status.OK, Status.CRASHED
    assert [i.status for i in individuals] == [ok, crashed, ok, crashed, ok]
    assert [m.judged for m in members_of(search)][1::2] == [-math.inf, -math.inf]
    (own,) = [e for e in evaluations if e.subject == HASH_B]
    assert (own.score.status, own.score.loss, own.score.reason) == (crashed, None, "its worker died twice")


def test_failures_are_counted_by_kind(store: Store) -> None:
    pool = FakePool(4, 0, brings_down=brings_down(ADAMW))
    progress = make_search(store, pool, Budget(programs=200)).run()
    evaluated = [i for i in log_of(store)[0] if i.outcome is Outcome.EVALUATED]
    counts = Counter(i.status for i in evaluated if i.status is not Status.OK)
    assert progress.failures == counts
    assert counts[Status.CRASHED] == 2, "the start, and once again before it is quarantined"
    assert counts[Status.DIVERGED] > 1


SHORT_LAG = settings(population=10, lag=2)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_program_that_brings_down_its_worker_twice_is_quarantined(store: Store, kind: FailureKind) -> None:
    """The second chance comes once the lag has passed; there is no third."""
    pool = FakePool(4, 0, brings_down=brings_down(B), kind=kind)
    make_scripted(store, pool, [A, B, B, C, D, B, B, A, C, D, B], SHORT_LAG).run()
    individuals, evaluations = log_of(store)
    assert [i.id for i in individuals if i.outcome is Outcome.EVALUATED] == [0, 1, 3, 4, 5]
    guilty = [e for e in evaluations if e.subject == HASH_B]
    assert [e.individual_id for e in guilty] == [1, 5]
    assert {i.status for i in individuals if i.hash == HASH_B} == {FAILURE_STATUS[kind]}


def first_time(program: Program):
    """Whether a job is the first that is to train this program."""
    left = [functional_hash(program)]

    def is_first(job: Job) -> bool:
        found = functional_hash(job.subject) in left  # type: ignore[arg-type]
        if found:
            left.clear()
        return found

    return is_first


def test_a_second_chance_that_goes_well_counts(store: Store) -> None:
    search = make_scripted(
        store, FakePool(4, 0, brings_down=first_time(B)), [A, B, C, D, A, B, B, C, D, A, B], SHORT_LAG
    )
    search.run()
    individuals, evaluations = log_of(store)
    own = [i for i in individuals if i.hash == HASH_B]
    assert [i.status for i in own] == [Status.CRASHED, Status.OK, Status.OK, Status.OK]
    assert [e.score.status for e in evaluations if e.subject == HASH_B] == [Status.CRASHED, *[Status.OK] * 2]
    assert members_of(search)[-1].judged > -1


def test_after_a_second_chance_that_goes_well_there_is_no_third(store: Store) -> None:
    """Also long after, when it is known that it went well."""
    programs = [A, B, C, D, A, B, B, C, D, A, B, C, D, A, B]
    pool = FakePool(4, 0, brings_down=first_time(B))
    make_scripted(store, pool, programs, SHORT_LAG).run()
    individuals, _ = log_of(store)
    own = [i.outcome for i in individuals if i.hash == HASH_B]
    assert own == [Outcome.EVALUATED, Outcome.EVALUATED, Outcome.SEEN, Outcome.SEEN, Outcome.SEEN]
    assert pool.hashes.count(HASH_B) == 2


def test_a_program_that_diverges_gets_no_second_chance(store: Store) -> None:
    bad = next(p for p in map(constant, range(2, 999)) if not _succeeds(p))
    pool = FakePool(4, 0)
    make_scripted(store, pool, [A, bad, C, D, A, bad], SHORT_LAG).run()
    assert len(pool.jobs) == 4


def test_a_program_dearer_than_the_limit_is_not_trained(store: Store) -> None:
    dear = parse("def train(w, g, lr):\n    update = arcsin(g)\n    return update")
    pool = FakePool(4, 0)
    make_scripted(store, pool, [A, dear, B, dear], max_cost=50).run()
    individuals, evaluations = log_of(store)
    assert [i.status for i in individuals] == [Status.OK, Status.TOO_LARGE, Status.OK, Status.TOO_LARGE]
    assert len(pool.jobs) == 2
    (own,) = [e for e in evaluations if e.score.status is Status.TOO_LARGE]
    assert own.score.reason == "a step costs 115 additions for each weight; the limit is 50"


def test_candidates_that_give_nan_are_recorded_and_the_search_goes_on(store: Store) -> None:
    """With the real evaluator: functions that soon leave their domain."""
    space = MutationSpace(functions=("arccosh", "arcsin", "reciprocal", "power", "exp10"), new_variable=0.1)
    progress = Search(
        library_program("adamw"), settings(population=10, lag=16, mutation=space), 0,
        InlinePool(make_worker), store,
        samples=[("digits_mlp", 0)], judge=Judge(baseline([0.1], "digits_mlp")), budget=Budget(programs=120),
    ).run()  # fmt: skip
    individuals, evaluations = log_of(store)
    assert len(individuals) == progress.num_programs == 120
    diverged = [e.score for e in evaluations if e.score.status is Status.DIVERGED]
    assert len(diverged) >= 5
    assert all(s.loss is None and "not finite after step" in s.reason for s in diverged)
    last_failure = max(e.individual_id for e in evaluations if e.score.status is Status.DIVERGED)  # type: ignore[type-var]
    assert any(e.individual_id > 20 and e.score.status is Status.OK for e in evaluations)  # type: ignore[operator]
    assert last_failure > 20  # type: ignore[operator]


# Progress.


def test_progress_is_about_the_log(store: Store) -> None:
    progress = make_search(store, FakePool(4), Budget(programs=300)).run()
    individuals, _ = log_of(store)
    shares = [1 - i.num_live_statements / i.num_statements for i in individuals]
    assert progress.redundant_share == pytest.approx(sum(shares) / 300)
    counts = Counter(i.outcome for i in individuals)
    assert progress.hits == {str(outcome): counts[outcome] for outcome in HITS}
    assert progress.hit_rate == pytest.approx(sum(counts[outcome] for outcome in HITS) / 300)
    assert progress.num_novel == progress.num_evaluated == counts[Outcome.EVALUATED]
    assert progress.seconds_left == 0
    assert progress.num_in_flight == 0


def test_best_and_median_fitness_are_of_what_was_committed(store: Store) -> None:
    search = make_scripted(store, FakePool(4), [A, B, C, D, A], settings(population=5))
    progress = search.run()
    living = sorted(members_of(search), key=lambda member: member.judged)
    assert len(living) == 5
    assert progress.best_fitness == progress.best_judged == living[-1].judged
    assert progress.best_id == next(m.id for m in members_of(search) if m.judged == living[-1].judged)
    assert progress.best_seeds == 2
    assert progress.median_fitness == living[2].judged


def test_the_last_progress_and_the_seconds_are_facts_of_the_log(store: Store) -> None:
    make_search(store, FakePool(4), Budget(programs=60)).run()
    facts = store.run_facts()
    assert facts[PROGRESS_FACT]["num_programs"] == 60
    assert facts[SEARCH_SECONDS_FACT] > 0
