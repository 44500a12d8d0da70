"""The search loop: propose, look up, evaluate, commit, log.

Nothing is evaluated twice: an individual whose hash is known, or whose fingerprint is, shares the scores of
the earlier one, also while that is still being evaluated. Results arrive in any order. In deterministic
order individuals are committed, to the log and to the state that later proposals see, strictly by position;
in asynchronous order as they come. The log is the checkpoint: :meth:`Search.replay_log` rebuilds everything.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score
from lion_search.proxy_tasks.workers.failures import failed
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.judge import Judge
from lion_search.results.records import (
    PROGRESS_FACT,
    SEARCH_SECONDS_FACT,
    TRAINED,
    Evaluation,
    Individual,
    Stage,
)
from lion_search.results.store import Store, StoreError
from lion_search.search.commit_order import commit_order
from lion_search.search.evolution import Choice, Proposer
from lion_search.search.lookup import Lookup, Pending
from lion_search.search.progress import Progress, Tally
from lion_search.search.recording import record
from lion_search.search.settings import Order, SearchSettings
from lion_search.search.state import MAX_RETRIES, Applied, Entry, Member, SearchState, Training

_MOST_AT_ONCE = 256
"""Proposals between two looks at the pool and the clock."""
_NUM_CHECKED = 64
"""So many of the last individuals of a replayed log, and the first ones, are proposed again and compared."""


class ReplayError(Exception):
    """A log that does not follow from the search's settings."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When the search ends: whichever of the limits comes first.

    Attributes:
        programs: individuals in the log.
        evaluations: jobs: programs that are trained, for the first time or on further seeds.
        minutes: of searching, pauses between a stop and a resumption not counted.
    """

    programs: int
    evaluations: int | None = None
    minutes: float | None = None


class Search:
    """One search; :meth:`run` it once, after :meth:`replay_log` if it has a log already."""

    def __init__(
        self,
        initial: Program,
        settings: SearchSettings,
        seed: int,
        pool: Pool,
        store: Store,
        *,
        samples: Sequence[tuple[str, int]],
        judge: Judge,
        budget: Budget,
        max_cost: float | None = None,
        earlier_scores: Mapping[str, tuple[Score, ...]] | None = None,
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
            flush_seconds: at most this long between a commit and its transaction.
        """
        self._settings = settings
        self._proposer = Proposer(initial, settings, seed)
        self._pool = pool
        self._store = store
        self._samples: tuple[Sample, ...] = tuple((task, s, Part.VALIDATION) for task, s in samples)
        self._budget = budget
        self._flush_seconds = flush_seconds
        self._judge = judge
        self._state = SearchState(_founders(initial, settings.repeats), settings, judge)
        self._lookup = Lookup(settings, self._samples, earlier_scores or {}, max_cost)
        self._committed: deque[Applied] = deque()
        self._num_committed = 0
        self._next_draw = 0
        self._pending = commit_order(settings.order)
        self._jobs: dict[int, tuple[Training, Sample]] = {}
        self._num_submitted = 0
        self._tally = Tally()
        self._individuals: list[Individual] = []
        self._evaluations: list[Evaluation] = []
        self._seconds_before = 0.0
        self._started = self._flushed = time.monotonic()

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
        self._started = self._flushed = time.monotonic()
        try:
            self._loop(should_stop, on_progress)
        except StoreError:
            raise  # writing it once more would fail once more
        except BaseException:
            self._flush()
            raise
        self._advance(self._num_committed)  # there are no more proposals: the state may know all
        self._flush()
        on_progress(self.progress())
        return self.progress()

    def _loop(self, should_stop: Callable[[], bool], on_progress: Callable[[Progress], None]) -> None:
        while True:
            stopping = should_stop() or self._is_spent()
            if not stopping:
                self._propose()
            for pending in self._pending.ready():
                self._commit(pending)
            if time.monotonic() - self._flushed > self._flush_seconds:
                self._flush()
                on_progress(self.progress())
            if self._jobs:
                self._receive()
            elif not self._pending and (stopping or self._is_spent()):
                return

    def progress(self) -> Progress:
        """A snapshot of now."""
        return self._tally.progress(
            seconds=self._seconds(),
            num_programs=self._num_committed,
            num_in_flight=len(self._jobs),
            best=self._state.best(),
            living=[member for repeat in self._state.repeats for member in repeat.population],
            seconds_left=self._seconds_left(),
        )

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def _is_spent(self) -> bool:
        budget = self._budget
        return (
            self._num_committed + len(self._pending) >= budget.programs
            or (budget.evaluations is not None and self._tally.num_started >= budget.evaluations)
            or (budget.minutes is not None and self._seconds() >= 60 * budget.minutes)
        )

    def _seconds_left(self) -> float:
        """Until the first limit, at the present speed."""
        budget = self._budget
        done = [self._num_committed / budget.programs]
        if budget.evaluations is not None:
            done.append(self._tally.num_jobs / budget.evaluations)
        if budget.minutes is not None:
            done.append(self._seconds() / (60 * budget.minutes))
        share = min(1.0, max(done))
        return self._seconds() * (1 - share) / share if share > 0 else float("inf")

    # Proposing.

    def _propose(self) -> None:
        """Proposes until the pool is busy, the lag is used up or the budget is spent."""
        for _ in range(_MOST_AT_ONCE):
            if self._pool.room <= 0 or not self._may_propose() or self._is_spent():
                return
            choice = self._choose(self._next_draw)
            pending, job = self._lookup.find(self._proposer.make(choice), self._state)
            self._pending.add(pending)
            self._tally.num_started += pending.outcome in TRAINED
            if job is not None:
                self._submit(pending.training, job)

    def _may_propose(self) -> bool:
        """Whether all that the next proposal may see has been committed."""
        settings = self._settings
        if self._next_draw < settings.repeats:
            return True
        needed = self._next_draw - settings.lag if settings.order is Order.DETERMINISTIC else 0
        return self._num_committed >= max(settings.repeats, needed)

    def _choose(self, draw: int) -> Choice:
        """Advances the state to what the proposal may see, and makes its choice."""
        in_order = self._settings.order is Order.DETERMINISTIC
        self._advance(draw - self._settings.lag if in_order else self._num_committed)
        self._next_draw = draw + 1
        return self._proposer.choose(draw, self._state)

    def _advance(self, count: int) -> None:
        """Applies the first so many individuals of the log to the state."""
        while self._committed and self._state.num_applied < count:
            event = self._committed.popleft()
            self._state.apply(event)
            self._lookup.note(event)

    def _submit(self, training: Training, job: Job) -> None:
        number = self._num_submitted
        self._num_submitted += 1
        self._jobs[number] = training, job.samples[0]
        self._pool.submit(number, job)

    # Committing.

    def _receive(self) -> None:
        for outcome in self._pool.wait(timeout_seconds=0.1):
            training, (task, seed, part) = self._jobs.pop(outcome.job_id)
            failure = outcome.failure
            training.result = (
                outcome.value if failure is None else JobResult((failed(task, part, seed, failure),))
            )
            self._pending.notice(training)

    def _commit(self, pending: Pending) -> None:
        recorded = record(pending, self._num_committed, self._settings.update_scales)
        self._individuals.append(recorded.individual)
        self._evaluations += recorded.evaluations
        self._enter(
            recorded.individual,
            recorded.program,
            pending.entry,
            pending.proposal.choice,
            recorded.evaluations,
        )

    def _enter(
        self,
        individual: Individual,
        program: Program | str,
        entry: Entry,
        choice: Choice,
        evaluations: Sequence[Evaluation],
    ) -> None:
        """Hands an individual over to the state, which sees it once its turn has come."""
        price = self._judge.price(individual.num_states, individual.num_canonical_statements)
        member = Member(individual.id, program, individual.hash, entry, price)
        own = tuple([e.score for e in evaluations if e.subject == individual.hash])
        event = Applied(
            member,
            individual.repeat,
            individual.era,
            choice.retries,
            choice.parent,
            individual.outcome,
            own,
            individual.proposed_hash,
        )
        self._committed.append(event)
        self._num_committed += 1
        self._tally.add(individual, evaluations)

    def _flush(self) -> None:
        """Writes what was committed since the last time, and how far the search is, in one transaction."""
        facts = {PROGRESS_FACT: asdict(self.progress()), SEARCH_SECONDS_FACT: self._seconds()}
        started = time.monotonic()
        self._store.append(self._individuals, self._evaluations, facts)
        self._individuals, self._evaluations = [], []
        self._flushed = time.monotonic()
        self._tally.seconds_in_store += self._flushed - started

    # Replaying.

    def replay_log(self) -> None:
        """Rebuilds the search from what its log holds, as it was after the last individual.

        Raises:
            ReplayError: the log does not follow from these settings, this seed and these versions.
        """
        rows: dict[int, list[Evaluation]] = {}
        for row in self._store.evaluations(stage=Stage.SEARCH):
            if row.individual_id is not None:
                rows.setdefault(row.individual_id, []).append(row)
        num_individuals = self._store.num_individuals()
        self._seconds_before = self._store.run_facts().get(SEARCH_SECONDS_FACT, 0.0)
        entries: dict[int, Entry] = {}
        for individual in self._store.individuals():
            is_checked = (
                individual.id < self._settings.repeats or num_individuals - individual.id <= _NUM_CHECKED
            )
            choice = self._rechosen(individual, is_checked=is_checked)
            own = rows.pop(individual.id, [])
            entry = self._lookup.find_again(individual, own, entries)
            self._tally.num_started += individual.outcome in TRAINED
            self._enter(individual, individual.program, entry, choice, own)

    def _rechosen(self, individual: Individual, *, is_checked: bool) -> Choice:
        """What a logged individual was made from; in asynchronous order that is not known, nor needed."""
        if self._settings.order is Order.ASYNCHRONOUS:
            self._advance(individual.id)
            self._next_draw = max(self._next_draw, individual.draw + 1)
            rng = random.Random()  # not drawn from
            return Choice(individual.draw, individual.repeat, individual.era, "", None, MAX_RETRIES, rng)
        choice = self._choose(individual.draw)
        parent_id = None if choice.parent is None else choice.parent.id
        is_same = (parent_id, choice.era) == (individual.parent_id, individual.era)
        if is_same and is_checked:
            is_same = self._proposer.make(choice).canonical.hash == individual.proposed_hash
        if not is_same:
            raise ReplayError(
                f"individual {individual.id} is not what this configuration and these versions propose there"
            )
        return choice


def _founders(initial: Program, repeats: int) -> list[Member]:
    """The initial program as the first individual of each repeat."""
    hash_ = functional_hash(initial)
    entry = Entry(0, Training())
    return [Member(number, initial, hash_, entry) for number in range(repeats)]
