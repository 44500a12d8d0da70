"""The search loop: propose, look up, evaluate, commit, log.

Nothing is evaluated twice: an individual whose hash is known, or whose fingerprint is, shares the scores of
the earlier one, also while that is still being evaluated. Results arrive in any order. In deterministic
order individuals are committed, to the log and to the state that later proposals see, strictly by position;
in asynchronous order as they come. The log is the checkpoint: :meth:`Search.replay_log` rebuilds everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score
from lion_search.proxy_tasks.workers.failures import failed
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.digest import keep_digest
from lion_search.results.judge import Judge
from lion_search.results.location import StoreError
from lion_search.results.records import (
    PROGRESS_FACT,
    SEARCH_SECONDS_FACT,
    TRAINED,
    Evaluation,
    Individual,
)
from lion_search.results.store import Store
from lion_search.search.commit_order import commit_order
from lion_search.search.in_flight import Pending, Training
from lion_search.search.islands import Exchange, Immigration
from lion_search.search.lookup import Lookup
from lion_search.search.progress import Progress, Tally
from lion_search.search.recording import record
from lion_search.search.replay import Replay
from lion_search.search.settings import Budget, SearchSettings
from lion_search.search.timeline import Timeline

_MOST_AT_ONCE = 256
"""Proposals between two looks at the pool and the clock."""
INDIVIDUALS_PER_DIGEST = 1_000
"""After so many it is written down what the log comes to; who reads it adds those that came after."""


class Search:
    """One search; :meth:`run` it once, after :meth:`replay_log` if it has a log already."""

    def __init__(
        self,
        initial: Program,
        settings: SearchSettings,
        seed: int | str,
        pool: Pool,
        store: Store,
        *,
        samples: Sequence[tuple[str, int]],
        judge: Judge,
        budget: Budget,
        max_cost: float | None = None,
        earlier_scores: Mapping[str, tuple[Score, ...]] | None = None,
        exchange: Exchange | None = None,
        flush_seconds: float = 1.0,
    ) -> None:
        """A search with an empty log.

        Args:
            initial: the program everything begins with.
            settings: how programs are proposed and kept.
            seed: of all random choices.
            pool: evaluates jobs.
            store: where the log goes.
            samples: the (task, seed) pairs each program is trained on, the cheapest task first, seeds from 0.
            judge: turns scores into fitness; it knows the baseline on every seed a program may get.
            budget: when to end.
            max_cost: programs of a larger static cost are not trained; ``None`` is no limit.
            earlier_scores: by functional hash, scores on these samples from the logs of earlier runs.
            exchange: with other islands of the study, if there are any.
            flush_seconds: at most this long between a commit and its transaction.
        """
        self._settings = settings.loop
        self._pool = pool
        self._store = store
        self._budget = budget
        self._flush_seconds = flush_seconds
        self._timeline = Timeline(initial, settings, seed, judge)
        every: tuple[Sample, ...] = tuple((task, s, Part.VALIDATION) for task, s in samples)
        self._lookup = Lookup(settings, every, earlier_scores or {}, max_cost)
        self._immigration = Immigration(exchange, store)
        self._pending = commit_order(settings.loop.order)
        self._jobs: dict[int, tuple[Training, Sample]] = {}
        self._num_submitted = 0
        self._tally = Tally()
        self._individuals: list[Individual] = []
        self._evaluations: list[Evaluation] = []
        self._num_digested = 0
        self._seconds_before = 0.0
        self._started, self._flushed = awake_seconds(), time.monotonic()

    def replay_log(self) -> None:
        """Rebuilds the search from what its log holds, as it was after the last individual.

        Raises:
            ReplayError: the log does not follow from these settings, this seed and these versions.
        """
        self._seconds_before = self._store.run_facts().get(SEARCH_SECONDS_FACT, 0.0)
        self._timeline.admit(self._immigration.logged())
        for individual, own in Replay(self._store, self._settings, self._timeline, self._lookup):
            self._tally.num_started += individual.outcome in TRAINED
            self._tally.add(individual, own)

    # Running.

    def run(
        self,
        *,
        should_stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Progress:
        """Searches until the budget is spent or ``should_stop`` says so.

        What is being evaluated at the end is awaited and logged.

        Args:
            should_stop: asked several times a second.
            on_progress: told several times a second.

        Returns:
            The last snapshot.

        Raises:
            StoreError: the database refused; everything committed before is in it.
        """
        self._started, self._flushed = awake_seconds(), time.monotonic()
        try:
            self._loop(should_stop, on_progress)
        except StoreError:
            raise  # writing it once more would fail once more
        except BaseException:
            self._flush()
            raise
        self._timeline.advance(self._timeline.num_committed)  # no more proposals: the state may know all
        last = self._flush(ends=True)
        on_progress(last)
        return last

    def _loop(self, should_stop: Callable[[], bool], on_progress: Callable[[Progress], None]) -> None:
        while True:
            stopping = should_stop() or self._is_spent()
            if not stopping:
                self._propose()
            for pending in self._pending.ready():
                self._commit(pending)
            if time.monotonic() - self._flushed > self._flush_seconds:
                on_progress(self._flush())
            if self._jobs:
                self._receive()
            elif not self._pending and (stopping or self._is_spent()):
                return

    def progress(self) -> Progress:
        """A snapshot of now."""
        timeline = self._timeline
        return self._tally.progress(
            seconds=self._seconds(),
            num_in_flight=len(self._jobs),
            best=timeline.state.best(),
            frontier=timeline.state.frontier(),
            living=timeline.state.living(),
            seconds_left=self._seconds_left(),
        )

    def _seconds(self) -> float:
        return self._seconds_before + awake_seconds() - self._started

    def _is_spent(self) -> bool:
        budget = self._budget
        return (
            self._timeline.num_committed + len(self._pending) >= budget.programs
            or (budget.evaluations is not None and self._tally.num_started >= budget.evaluations)
            or (budget.minutes is not None and self._seconds() >= 60 * budget.minutes)
        )

    def _seconds_left(self) -> float:
        """Until the first limit, at the present speed."""
        budget = self._budget
        done = [self._timeline.num_committed / budget.programs]
        if budget.evaluations is not None:
            done.append(self._tally.num_evaluated / budget.evaluations)
        if budget.minutes is not None:
            done.append(self._seconds() / (60 * budget.minutes))
        share = min(1.0, max(done))
        return self._seconds() * (1 - share) / share if share > 0 else float("inf")

    # Proposing.

    def _propose(self) -> None:
        """Proposes until the pool is busy, the lag is used up or the budget is spent."""
        timeline = self._timeline
        for _ in range(_MOST_AT_ONCE):
            if self._pool.room <= 0 or not timeline.may_propose or self._is_spent():
                return
            draw = timeline.next_draw
            if self._immigration.is_due(draw):
                self._flush()  # what the others will ask for; and a database that is away is waited for
                timeline.admit(self._immigration.at(draw))
            proposal = timeline.make(timeline.choose(draw, timeline.seen_by(draw)))
            pending, job = self._lookup.find(proposal, timeline.state, timeline.in_flight)
            self._pending.add(pending)
            self._tally.num_started += pending.outcome in TRAINED
            if job is not None:
                assert pending.training is not None
                self._submit(pending.training, job)

    def _submit(self, training: Training, job: Job) -> None:
        number = self._num_submitted
        self._num_submitted += 1
        self._jobs[number] = training, job.samples[0]
        self._pool.submit(number, job)

    # Committing.

    def _receive(self) -> None:
        for finished in self._pool.wait(timeout_seconds=0.1):
            training, (task, seed, part) = self._jobs.pop(finished.job_id)
            failure = finished.failure
            training.result = (
                finished.value if failure is None else JobResult((failed(task, part, seed, failure),))
            )
            self._pending.notice(training)

    def _commit(self, pending: Pending) -> None:
        timeline = self._timeline
        recorded = record(pending, timeline.num_committed, timeline.in_flight)
        individual, evaluations = recorded.individual, recorded.evaluations
        self._individuals.append(individual)
        self._evaluations += evaluations
        parent = pending.proposal.choice.parent
        timeline.commit(individual, recorded.program, pending.entry, parent, evaluations)
        self._tally.add(individual, evaluations)

    def _flush(self, *, ends: bool = False) -> Progress:
        """Writes what was committed since the last time, and how far the search is, in one transaction."""
        progress = self.progress()
        facts = {PROGRESS_FACT: asdict(progress), SEARCH_SECONDS_FACT: progress.seconds}
        started = time.monotonic()
        self._store.append(self._individuals, self._evaluations, facts)
        self._individuals, self._evaluations = [], []
        if ends or self._timeline.num_committed - self._num_digested >= INDIVIDUALS_PER_DIGEST:
            keep_digest(self._store)
            self._num_digested = self._timeline.num_committed
        self._flushed = time.monotonic()
        self._tally.seconds_in_store += self._flushed - started
        return progress
