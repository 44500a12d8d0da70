"""The search loop against pools that answer in every order, and against the real evaluator."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from lion_search.dsl.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.mutation import MutationSpace
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.pool import Failure, FailureKind, InlinePool, PoolError
from lion_search.proxy_tasks.pool import Outcome as PoolOutcome
from lion_search.proxy_tasks.scores import FAILURE_STATUS, Part, Score, Status
from lion_search.proxy_tasks.worker import Job, make_worker
from lion_search.results.records import Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store
from lion_search.search.driver import Budget, Progress, Search
from lion_search.search.evolution import EvolutionSettings, Proposal, RegularizedEvolution

SAMPLES = [("fake", 0), ("fake", 1)]
BASELINE_LOSSES = {"fake": 1.0}
TWO = tuple((task, seed, Part.VALIDATION) for task, seed in SAMPLES)
PATIENCE = 10_000
"""Most calls of ``wait`` without an answer; more means the search waits for nothing."""


def fake_scores(job: Job) -> tuple[Score, ...]:
    """Scores that depend on the program alone; one program in ten diverges on its second sample."""
    digest = hashlib.sha256(format_program(job.subject).encode()).digest()  # type: ignore[arg-type]
    scores = []
    for number, (task, seed, part) in enumerate(job.samples):
        if digest[0] < 26 and number == 1:
            return (
                *scores,
                Score(task, part, seed, Status.DIVERGED, None, 3, 0.5, "not finite after step 3"),
            )
        loss = math.exp((digest[1 + number] - 128) / 128)
        scores.append(Score(task, part, seed, Status.OK, loss, 250, 0.5))
    return tuple(scores)


class FakePool:
    """A pool of a given size that answers when and in which order it likes.

    Args:
        capacity: jobs it has room for.
        seed: of the order of answers; ``None`` for the order of jobs, one at a time.
        fails: functional hashes of programs it cannot evaluate.
    """

    def __init__(
        self,
        capacity: int,
        seed: int | None = None,
        fails: frozenset[str] = frozenset(),
        kind: FailureKind = FailureKind.DIED,
    ) -> None:
        self.capacity = capacity
        self._kind = kind
        self.jobs: list[Job] = []
        self.running: list[tuple[int, Job]] = []
        self._rng = None if seed is None else random.Random(seed)
        self._fails = fails
        self._silent = 0

    @property
    def in_flight(self) -> int:
        return len(self.running)

    @property
    def room(self) -> int:
        return max(0, self.capacity - len(self.running))

    def submit(self, job_id: int, payload: Job) -> None:
        self.jobs.append(payload)
        self.running.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[PoolOutcome]:
        count = 1
        if self._rng is not None:
            self._rng.shuffle(self.running)
            count = self._rng.choice((0, 0, 1, 2, 5, 40))
        done, self.running = self.running[:count], self.running[count:]
        self._silent = 0 if done else self._silent + 1
        assert self._silent < PATIENCE
        return [self._answer(job_id, job) for job_id, job in done]

    def _answer(self, job_id: int, job: Job) -> PoolOutcome:
        assert isinstance(job.subject, Program)
        if functional_hash(job.subject) in self._fails:
            return PoolOutcome(job_id, failure=Failure(self._kind, "its worker died twice"))
        return PoolOutcome(job_id, fake_scores(job))

    def close(self) -> None:
        self.running.clear()


class ScriptedEvolution:
    """Proposes given programs, as many at once as there is room for; notes what is committed."""

    settings = EvolutionSettings(population=10)

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs
        self.committed: list[tuple[int, float]] = []

    @property
    def num_committed(self) -> int:
        return len(self.committed)

    def can_propose(self, position: int) -> bool:
        return position < len(self._programs)

    def propose(self, position: int) -> Proposal:
        parent, kind = (position - 1, "modify") if position else (None, "initial")
        return Proposal(position, parent, kind, self._programs[position])

    def commit(self, proposal: Proposal, fitness: float) -> None:
        assert proposal.position == len(self.committed)
        self.committed.append((proposal.position, fitness))


def search(
    store: Store, pool: FakePool | InlinePool, evolution: object, budget: Budget, **settings: object
) -> Search:
    values = {"samples": SAMPLES, "baseline_losses": BASELINE_LOSSES, "flush_seconds": 0.01, **settings}
    return Search(evolution, pool, store, budget=budget, **values)  # type: ignore[arg-type]


def evolution(seed: int = 0, lag: int = 30, population: int = 25) -> RegularizedEvolution:
    settings = EvolutionSettings(population=population, tournament=3, lag=lag)
    return RegularizedEvolution(library_program("adamw"), settings, seed)


def log_of(store: Store) -> tuple[list[Individual], list[Evaluation]]:
    individuals = []
    while (row := store.individual(len(individuals))) is not None:
        individuals.append(row)
    return individuals, store.evaluations()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "log.db", {})


def constant(value: float) -> Program:
    return parse(f"def train(w, g, lr):\n    update = g * {value}\n    return update")


A, B, C, D = (constant(v) for v in (0.1, 0.2, 0.3, 0.4))


# The log does not depend on who evaluates, how fast, and in which order.


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Individual], list[Evaluation]]:
    store = Store.create(tmp_path_factory.mktemp("in order") / "log.db", {})
    search(store, FakePool(1), evolution(), Budget(400)).run()
    return log_of(store)


@pytest.mark.parametrize(("capacity", "seed"), [(1, 0), (2, 1), (7, 2), (16, 3), (16, 4), (1000, 5)])
def test_the_log_is_the_same_whatever_the_order_of_answers(
    store: Store, in_order: tuple[list[Individual], list[Evaluation]], capacity: int, seed: int
) -> None:
    search(store, FakePool(capacity, seed), evolution(), Budget(400)).run()
    individuals, evaluations = log_of(store)
    assert individuals == in_order[0]
    assert evaluations == in_order[1]


def test_the_log_is_the_same_from_an_inline_pool(
    store: Store, in_order: tuple[list[Individual], list[Evaluation]]
) -> None:
    pool = InlinePool(lambda: lambda jobs: [fake_scores(job) for job in jobs], batch_size=8)
    search(store, pool, evolution(), Budget(400)).run()
    assert log_of(store) == in_order


def test_this_log_is_worth_comparing(in_order: tuple[list[Individual], list[Evaluation]]) -> None:
    """It has hits, failures, children of children, and every kind of mutation."""
    individuals, evaluations = in_order
    assert Counter(i.outcome for i in individuals)[Outcome.HIT] > 40
    assert Counter(i.status for i in individuals)[Status.DIVERGED] > 10
    assert {i.mutation for i in individuals} == {"initial", "insert", "delete", "modify"}
    depth = [0]
    for row in individuals[1:]:
        depth.append(depth[row.parent_id] + 1)  # type: ignore[index]
    assert max(depth) > 8
    assert len(evaluations) > 300


def test_another_seed_gives_another_log(
    store: Store, in_order: tuple[list[Individual], list[Evaluation]]
) -> None:
    search(store, FakePool(4), evolution(seed=1), Budget(50)).run()
    assert log_of(store)[0] != in_order[0][:50]


def test_a_smaller_budget_gives_a_prefix_of_the_log(
    store: Store, in_order: tuple[list[Individual], list[Evaluation]]
) -> None:
    search(store, FakePool(8, 6), evolution(), Budget(123)).run()
    assert log_of(store)[0] == in_order[0][:123]


# What is logged.


def test_each_individual_describes_its_program(in_order: tuple[list[Individual], list[Evaluation]]) -> None:
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
    in_order: tuple[list[Individual], list[Evaluation]],
) -> None:
    individuals, evaluations = in_order
    evaluated = {i.id: i for i in individuals if i.outcome is Outcome.EVALUATED}
    assert {e.individual_id for e in evaluations} == set(evaluated)
    for row in evaluated.values():
        own = [e for e in evaluations if e.individual_id == row.id]
        job = Job(
            canonicalise(parse(row.program)).program(), tuple((t, s, Part.VALIDATION) for t, s in SAMPLES)
        )
        assert [e.score for e in own] == list(fake_scores(job))
        assert {(e.stage, e.subject) for e in own} == {(Stage.SEARCH, row.hash)}


def test_what_is_evaluated_is_the_canonical_form(store: Store) -> None:
    pool = FakePool(4)
    search(store, pool, evolution(), Budget(60)).run()
    for job in pool.jobs:
        assert isinstance(job.subject, Program)
        assert canonicalise(job.subject).program() == job.subject


def test_the_log_grows_while_the_search_runs(store: Store) -> None:
    """With batches: what was committed is in the database when progress is told."""
    seen = []

    def look(progress: Progress) -> None:
        assert sum(store.counts().values()) == progress.num_programs
        seen.append(progress.num_programs)

    search(store, FakePool(4), evolution(), Budget(300), flush_seconds=0.0).run(on_progress=look)
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert seen[-1] == 300


# One evaluation for each hash.


def test_a_hash_is_evaluated_once(store: Store) -> None:
    pool = FakePool(16, 0)
    search(store, pool, evolution(), Budget(400)).run()
    hashes = [functional_hash(job.subject) for job in pool.jobs]  # type: ignore[arg-type]
    assert len(set(hashes)) == len(hashes)
    individuals, _ = log_of(store)
    assert {i.hash for i in individuals} == set(hashes)


class PatientPool(FakePool):
    """Answers nothing until all that can be submitted has been."""

    def __init__(self, expected: int) -> None:
        super().__init__(100)
        self._expected = expected

    def wait(self, timeout_seconds: float) -> list[PoolOutcome]:
        assert len(self.jobs) == self._expected, (
            "a hash that is being evaluated was submitted again, or less was"
        )
        return super().wait(timeout_seconds)


def test_a_hash_is_not_evaluated_again_while_it_is_in_flight(store: Store) -> None:
    search(store, PatientPool(3), ScriptedEvolution([A, B, A, A, C, B]), Budget(6)).run()
    outcomes = [i.outcome for i in log_of(store)[0]]
    e, h = Outcome.EVALUATED, Outcome.HIT
    assert outcomes == [e, e, h, h, e, h]


def test_programs_that_differ_only_in_writing_are_one_hash(store: Store) -> None:
    other = parse("def train(w, g, lr):\n    v1 = w * w\n    update = 0.1 * g\n    return update")
    search(store, PatientPool(1), ScriptedEvolution([A, other]), Budget(2)).run()
    assert [i.outcome for i in log_of(store)[0]] == [Outcome.EVALUATED, Outcome.HIT]


def test_a_hit_shares_status_and_fitness(store: Store) -> None:
    failing = next(p for p in map(constant, range(1, 1000)) if not _succeeds(p))
    scripted = ScriptedEvolution([A, failing, A, failing])
    search(store, FakePool(1), scripted, Budget(4)).run()
    assert [i.status for i in log_of(store)[0]] == [Status.OK, Status.DIVERGED] * 2
    fitness = [f for _, f in scripted.committed]
    assert fitness[0] == fitness[2]
    assert fitness[1] == fitness[3] == -1


def _succeeds(program: Program) -> bool:
    scores = fake_scores(
        Job(canonicalise(program).program(), (("t", 0, Part.VALIDATION), ("t", 1, Part.VALIDATION)))
    )
    return all(s.status is Status.OK for s in scores)


def test_fitness_is_relative_to_the_baselines_losses(store: Store) -> None:
    scripted = ScriptedEvolution([A])
    search(store, FakePool(1), scripted, Budget(1), baseline_losses={"fake": 0.7}).run()
    losses = [e.score.loss for e in store.evaluations()]
    assert scripted.committed[0][1] == pytest.approx(math.log(0.7 / (sum(losses) / 2)))  # type: ignore[arg-type]


# Budgets.


def test_the_budget_of_programs_is_met_exactly(store: Store) -> None:
    progress = search(store, FakePool(16, 0), evolution(), Budget(137)).run()
    assert progress.num_programs == 137 == len(log_of(store)[0])


def test_the_budget_of_evaluations_is_met_exactly(store: Store) -> None:
    pool = FakePool(16, 0)
    progress = search(store, pool, evolution(), Budget(10_000, evaluations=50)).run()
    assert progress.num_evaluated == 50 == len(pool.jobs)
    assert store.counts()["evaluated"] == 50


def test_the_budget_of_minutes_ends_a_search_without_other_limits(store: Store) -> None:
    pool = FakePool(16, 0)
    progress = search(store, pool, evolution(), Budget(10**9, minutes=0.2 / 60)).run()
    assert 0 < progress.num_programs < 10**9
    assert len({i.id for i in log_of(store)[0]}) == progress.num_programs
    assert len(pool.jobs) == progress.num_evaluated


@pytest.mark.parametrize("budget", [Budget(1), Budget(10_000, evaluations=1)])
def test_the_smallest_budget_is_the_initial_program(store: Store, budget: Budget) -> None:
    search(store, FakePool(16, 0), evolution(), budget).run()
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
    pool = FakePool(12, 3)
    progress = search(store, pool, evolution(), Budget(10_000)).run(should_stop=StopWhenBusy(pool))
    individuals, evaluations = log_of(store)
    assert not pool.running
    assert progress.num_in_flight == 0
    assert len(individuals) == progress.num_programs < 10_000
    assert {e.subject for e in evaluations} == {functional_hash(j.subject) for j in pool.jobs}  # type: ignore[arg-type]


def test_nothing_is_submitted_after_should_stop(store: Store) -> None:
    pool = FakePool(12, 3)
    should_stop = StopWhenBusy(pool)
    search(store, pool, evolution(), Budget(10_000)).run(should_stop=should_stop)
    assert should_stop.calls_after > 1
    assert len(pool.jobs) == should_stop.submitted


def test_a_search_stopped_at_once_has_an_empty_log(store: Store) -> None:
    progress = search(store, FakePool(4), evolution(), Budget(100)).run(should_stop=lambda: True)
    assert progress.num_programs == 0
    assert log_of(store) == ([], [])


class BrokenPool(FakePool):
    """A pool that cannot go on after some answers."""

    def wait(self, timeout_seconds: float) -> list[PoolOutcome]:
        if len(self.jobs) > 50:
            raise PoolError("Ray is gone")
        return super().wait(timeout_seconds)


def test_what_was_committed_before_the_pool_broke_is_in_the_log(store: Store) -> None:
    scripted = evolution()
    with pytest.raises(PoolError, match="Ray is gone"):
        search(store, BrokenPool(4), scripted, Budget(10_000), flush_seconds=1e9).run()
    assert len(log_of(store)[0]) == scripted.num_committed > 40


# Failures.


def test_a_program_the_pool_cannot_evaluate_has_crashed_and_the_search_goes_on(store: Store) -> None:
    scripted = ScriptedEvolution([A, B, C, B, D])
    search(store, FakePool(4, 0, fails=frozenset({functional_hash(B)})), scripted, Budget(5)).run()
    individuals, evaluations = log_of(store)
    ok, crashed = Status.OK, Status.CRASHED
    assert [i.status for i in individuals] == [ok, crashed, ok, crashed, ok]
    assert [f for _, f in scripted.committed][1::2] == [-1, -1]
    (own,) = [e for e in evaluations if e.subject == functional_hash(B)]
    assert (own.score.status, own.score.loss, own.score.reason) == (crashed, None, "its worker died twice")


def test_failures_are_counted_by_kind(store: Store) -> None:
    pool = FakePool(4, 0, fails=frozenset({functional_hash(library_program("adamw"))}))
    progress = search(store, pool, evolution(), Budget(200)).run()
    evaluated = [i for i in log_of(store)[0] if i.outcome is Outcome.EVALUATED]
    counts = Counter(i.status for i in evaluated if i.status is not Status.OK)
    assert progress.failures == counts
    assert counts[Status.CRASHED] == 2, "the start, and once again before it is quarantined"
    assert counts[Status.DIVERGED] > 1


class ShortLag(ScriptedEvolution):
    settings = EvolutionSettings(population=10, lag=2)

    def can_propose(self, position: int) -> bool:
        return super().can_propose(position) and self.num_committed >= position - 2


@pytest.mark.parametrize("kind", FailureKind)
def test_a_program_that_brings_down_its_worker_twice_is_quarantined(store: Store, kind: FailureKind) -> None:
    """The second chance comes once the lag has passed; there is no third."""
    pool = FakePool(4, 0, fails=frozenset({functional_hash(B)}), kind=kind)
    search(store, pool, ShortLag([A, B, B, C, D, B, B, A, C, D, B]), Budget(11)).run()
    individuals, evaluations = log_of(store)
    assert [i.id for i in individuals if i.outcome is Outcome.EVALUATED] == [0, 1, 3, 4, 5]
    guilty = [e for e in evaluations if e.subject == functional_hash(B)]
    assert [e.individual_id for e in guilty] == [1, 5]
    assert {i.status for i in individuals if i.hash == functional_hash(B)} == {FAILURE_STATUS[kind]}


def test_a_second_chance_that_goes_well_counts(store: Store) -> None:
    pool = FakePool(4, 0, fails=frozenset({functional_hash(B)}))

    class Mended(ShortLag):
        def propose(self, position: int) -> Proposal:
            pool._fails = frozenset() if position >= 5 else pool._fails
            return super().propose(position)

    search(store, pool, Mended([A, B, C, D, A, B, B]), Budget(7)).run()
    assert [i.status for i in log_of(store)[0]][1::4] == [Status.CRASHED, Status.OK]
    assert log_of(store)[0][6].outcome is Outcome.HIT
    assert log_of(store)[0][6].status is Status.OK


def test_a_program_that_diverges_gets_no_second_chance(store: Store) -> None:
    programs = (canonicalise(constant(value)).program() for value in range(2, 99))
    bad = next(p for p in programs if fake_scores(Job(p, TWO))[-1].status is Status.DIVERGED)
    pool = FakePool(4, 0)
    search(store, pool, ShortLag([A, bad, C, D, A, bad]), Budget(6)).run()
    assert len(pool.jobs) == 4


def test_a_program_dearer_than_the_limit_is_not_trained(store: Store) -> None:
    dear = parse("def train(w, g, lr):\n    update = arcsin(g)\n    return update")
    pool = FakePool(4, 0)
    search(store, pool, ScriptedEvolution([A, dear, B, dear]), Budget(4), max_cost=50).run()
    individuals, evaluations = log_of(store)
    assert [i.status for i in individuals] == [Status.OK, Status.TOO_LARGE, Status.OK, Status.TOO_LARGE]
    assert len(pool.jobs) == 2
    (own,) = [e for e in evaluations if e.score.status is Status.TOO_LARGE]
    assert own.score.reason == "a step costs 115 additions for each weight; the limit is 50"


def test_candidates_that_give_nan_are_recorded_and_the_search_goes_on(store: Store) -> None:
    """With the real evaluator: functions that soon leave their domain."""
    space = MutationSpace(functions=("arccosh", "arcsin", "reciprocal", "power", "exp10"), new_variable=0.1)
    settings = EvolutionSettings(population=10, lag=16, mutation=space)
    subject = RegularizedEvolution(library_program("adamw"), settings, seed=0)
    progress = Search(
        subject, InlinePool(make_worker), store,
        samples=[("digits_mlp", 0)], baseline_losses={"digits_mlp": 0.1}, budget=Budget(120),
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
    progress = search(store, FakePool(4), evolution(population=25), Budget(300)).run()
    individuals, _ = log_of(store)
    living = individuals[-25:]
    shares = [1 - i.num_live_statements / i.num_statements for i in living]
    assert progress.redundant_share == pytest.approx(sum(shares) / 25)
    assert progress.hit_rate == pytest.approx(sum(i.outcome is Outcome.HIT for i in individuals) / 300)
    assert progress.seconds_left == 0
    assert progress.num_in_flight == 0


def test_best_and_median_fitness_are_of_what_was_committed(store: Store) -> None:
    scripted = ScriptedEvolution([A, B, C, D, A])
    progress = search(store, FakePool(4), scripted, Budget(5)).run()
    fitness = sorted(f for _, f in scripted.committed)
    assert progress.best_fitness == fitness[-1]
    assert progress.median_fitness == fitness[2]
