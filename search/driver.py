"""The search loop: propose, look up, evaluate, commit in order, log.

Results arrive in any order; individuals are committed, to the population and to the log, strictly by
position. A hash is evaluated once: later individuals that have it are hits and share its scores, also
while the first is still being evaluated.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lion_search.dsl.canonical import Canonical, canonicalise
from lion_search.dsl.cost import static_cost
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.pool import Pool
from lion_search.proxy_tasks.scores import Part, Score, Status, failed, fitness, overall_status
from lion_search.proxy_tasks.worker import Job
from lion_search.results.records import Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store
from lion_search.search.evolution import Proposal, RegularizedEvolution

FAULTS = (Status.CRASHED, Status.TIMED_OUT, Status.OUT_OF_MEMORY)
"""What a program is given a second chance for, and then quarantined: it is never trained again."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When the search ends: whichever of the limits comes first."""

    programs: int
    evaluations: int | None = None
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of a running search.

    Attributes:
        seconds: since the search began.
        num_programs: individuals committed.
        num_evaluated: of these, how many were trained.
        num_in_flight: trainings under way.
        redundant_share: mean share of redundant statements among the living, in [0, 1].
        best_fitness: highest so far, a single noisy sample.
        median_fitness: of the living.
        failures: how many trainings failed, by status.
        seconds_left: until the first limit at the present speed.
    """

    seconds: float
    num_programs: int
    num_evaluated: int
    num_in_flight: int
    redundant_share: float
    best_fitness: float
    median_fitness: float
    failures: Mapping[str, int]
    seconds_left: float

    @property
    def hit_rate(self) -> float:
        """Share of programs whose hash was known, in [0, 1]."""
        return 1 - self.num_evaluated / max(1, self.num_programs)


@dataclass(slots=True)
class _Entry:
    """What is known of one hash.

    Attributes:
        position: of the individual it was evaluated for.
        was_guilty: whether an earlier evaluation ended in one of ``FAULTS``.
        scores: what came of it; ``None`` while it is evaluated.
        fitness: from the scores.
        status: from the scores.
    """

    position: int
    was_guilty: bool = False
    scores: tuple[Score, ...] | None = None
    fitness: float = 0.0
    status: Status = Status.OK


@dataclass(slots=True)
class _Pending:
    proposal: Proposal
    canonical: Canonical
    entry: _Entry
    outcome: Outcome


@dataclass(slots=True)
class _Window:
    """Fitness and redundant shares of the living."""

    fitness: deque[float]
    redundant: deque[float]
    best: float = -2.0
    failures: Counter[str] = field(default_factory=Counter)


class Search:
    """One search; :meth:`run` it once."""

    def __init__(
        self,
        evolution: RegularizedEvolution,
        pool: Pool,
        store: Store,
        *,
        samples: Sequence[tuple[str, int]],
        baseline_losses: Mapping[str, float],
        budget: Budget,
        max_cost: float | None = None,
        flush_seconds: float = 0.5,
    ) -> None:
        """A search ready to run.

        Args:
            evolution: proposes individuals.
            pool: evaluates jobs.
            store: where the log goes.
            samples: the (task, seed) pairs each program is trained on.
            baseline_losses: mean loss of tuned AdamW on the samples of each task.
            budget: when to end.
            max_cost: programs of a larger static cost are not trained; ``None`` is no limit.
            flush_seconds: at most this long between a commit and its transaction.
        """
        self._evolution = evolution
        self._pool = pool
        self._store = store
        self._samples = tuple((task, seed, Part.VALIDATION) for task, seed in samples)
        self._baseline_losses = baseline_losses
        self._budget = budget
        self._max_cost = max_cost
        self._flush_seconds = flush_seconds
        self._known: dict[str, _Entry] = {}
        self._pending: deque[_Pending] = deque()
        self._jobs: dict[int, _Entry] = {}
        self._next = 0
        self._num_started = 0
        self._num_evaluated = 0
        size = evolution.settings.population
        self._window = _Window(deque(maxlen=size), deque(maxlen=size))
        self._individuals: list[Individual] = []
        self._evaluations: list[Evaluation] = []
        self._started = self._flushed = time.monotonic()

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
            while True:
                stopping = should_stop() or self._is_spent()
                if not stopping:
                    self._propose()
                self._commit()
                if time.monotonic() - self._flushed > self._flush_seconds:
                    self._flush()
                    on_progress(self.progress())
                if self._jobs:
                    self._receive()
                elif not self._pending and (stopping or self._is_spent()):
                    break
        finally:
            self._flush()
        on_progress(self.progress())
        return self.progress()

    def progress(self) -> Progress:
        """A snapshot of now."""
        window = self._window
        living = sorted(window.fitness)
        return Progress(
            seconds=time.monotonic() - self._started,
            num_programs=self._evolution.num_committed,
            num_evaluated=self._num_evaluated,
            num_in_flight=len(self._jobs),
            redundant_share=sum(window.redundant) / max(1, len(window.redundant)),
            best_fitness=window.best,
            median_fitness=living[len(living) // 2] if living else 0.0,
            failures=dict(window.failures),
            seconds_left=self._seconds_left(),
        )

    def _is_spent(self) -> bool:
        budget = self._budget
        return (
            self._next >= budget.programs
            or (budget.evaluations is not None and self._num_started >= budget.evaluations)
            or (budget.minutes is not None and time.monotonic() - self._started >= 60 * budget.minutes)
        )

    def _seconds_left(self) -> float:
        elapsed = time.monotonic() - self._started
        budget = self._budget
        done = [self._evolution.num_committed / budget.programs]
        if budget.evaluations is not None:
            done.append(self._num_evaluated / budget.evaluations)
        if budget.minutes is not None:
            done.append(elapsed / (60 * budget.minutes))
        share = min(1.0, max(done))
        return elapsed * (1 - share) / share if share > 0 else float("inf")

    def _propose(self) -> None:
        """Proposes until the pool is busy, the lag is used up or the budget is spent."""
        while self._pool.room > 0 and self._evolution.can_propose(self._next) and not self._is_spent():
            proposal = self._evolution.propose(self._next)
            canonical = canonicalise(proposal.program)
            entry = self._known.get(canonical.hash)
            outcome = Outcome.HIT
            if entry is None or self._is_tried_again(entry):
                outcome = Outcome.EVALUATED
                entry = self._start(proposal.position, canonical, was_guilty=entry is not None)
            self._pending.append(_Pending(proposal, canonical, entry, outcome))
            self._next += 1

    def _is_tried_again(self, entry: _Entry) -> bool:
        """Whether a program that brought down its worker gets a second chance; after that it has none.

        The first time may have been another's fault. What happened at a position is only looked at once the
        lag has passed, so that the same outcomes give the same programs in whatever order they arrive.
        """
        is_seen = entry.position < self._next - self._evolution.settings.lag
        return is_seen and entry.status in FAULTS and not entry.was_guilty

    def _start(self, position: int, canonical: Canonical, *, was_guilty: bool) -> _Entry:
        """Submits a program that is evaluated for its hash, unless it is too dear."""
        entry = self._known[canonical.hash] = _Entry(position, was_guilty)
        program = canonical.program()
        if self._max_cost is not None and (cost := static_cost(program)) > self._max_cost:
            reason = f"a step costs {cost:g} additions for each weight; the limit is {self._max_cost:g}"
            task, seed, part = self._samples[0]
            self._settle(entry, (Score(task, part, seed, Status.TOO_LARGE, None, 0, 0.0, reason),))
            return entry
        self._jobs[position] = entry
        self._pool.submit(position, Job(program, self._samples))
        self._num_started += 1
        return entry

    def _settle(self, entry: _Entry, scores: tuple[Score, ...]) -> None:
        entry.scores = scores
        entry.status = overall_status(scores)
        entry.fitness = fitness(scores, self._baseline_losses)

    def _receive(self) -> None:
        for result in self._pool.wait(timeout_seconds=0.1):
            entry = self._jobs.pop(result.job_id)
            if result.failure is None:
                self._settle(entry, result.value)
            else:
                task, seed, part = self._samples[0]
                self._settle(entry, (failed(task, part, seed, result.failure),))

    def _commit(self) -> None:
        """Commits what is known, in order, up to the first individual that still waits."""
        while self._pending:
            pending = self._pending[0]
            if pending.entry.scores is None:
                return
            self._pending.popleft()
            self._evolution.commit(pending.proposal, pending.entry.fitness)
            self._record(pending)

    def _record(self, pending: _Pending) -> None:
        proposal, canonical, entry = pending.proposal, pending.canonical, pending.entry
        alive = canonical.liveness
        individual = Individual(
            id=proposal.position,
            parent_id=proposal.parent,
            mutation=proposal.mutation,
            program=format_program(proposal.program),
            hash=canonical.hash,
            outcome=pending.outcome,
            status=entry.status,
            num_statements=len(alive.statements),
            num_live_statements=alive.num_live_statements,
        )
        self._individuals.append(individual)
        window = self._window
        window.fitness.append(entry.fitness)
        window.redundant.append(1 - alive.num_live_statements / max(1, len(alive.statements)))
        if pending.outcome is Outcome.EVALUATED:
            assert entry.scores is not None
            self._num_evaluated += 1
            window.best = max(window.best, entry.fitness)
            if entry.status is not Status.OK:
                window.failures[entry.status] += 1
            self._evaluations.extend(
                Evaluation(Stage.SEARCH, canonical.hash, score, proposal.position) for score in entry.scores
            )

    def _flush(self) -> None:
        self._store.append(self._individuals, self._evaluations)
        self._individuals, self._evaluations = [], []
        self._flushed = time.monotonic()
