"""What the tests of the search share: pools that answer as they like, a judge, and short ways to search."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample, Subject
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind, Finished, InlinePool
from lion_search.proxy_tasks.workers.work import work
from lion_search.results.judge import Judge, JudgeSettings
from lion_search.results.records import Evaluation, Individual
from lion_search.results.store import Store
from lion_search.search.driver import Budget, Search
from lion_search.search.evolution import Choice, Proposal
from lion_search.search.settings import HurdlePolicy, NoisePolicy, SearchSettings
from lion_search.search.state import Member, SearchState

TASK = "fake"
SAMPLES = [(TASK, 0), (TASK, 1)]
ADAMW = library_program("adamw")
PATIENCE = 10_000
"""Most calls of ``wait`` without an answer; more means the search waits for nothing."""

PLAIN = SearchSettings(
    population=100,
    tournament=3,
    lag=20,
    mutation=MutationSpace(functions=("maximum", "minimum", "sign", "abs", "add")),
)
SCRIPTED = SearchSettings(population=10)

EVERYTHING = SearchSettings(
    population=12,
    tournament=3,
    lag=24,
    repeats=3,
    plateau=30,
    until_changed=0.3,
    mutation=MutationSpace(functions=("maximum", "minimum", "sign"), new_variable=0.3),
    noise=NoisePolicy(max_seeds=8, hits=2, near=3.0),
    hurdle=HurdlePolicy(percentile=60, window=200, rejects=True),
    update_scales=(1.0, 0.5, 0.25),
)
"""All policies at once, so tuned that each has something to do in a few hundred individuals."""


def baseline(losses: Sequence[float], task: str = TASK) -> list[Score]:
    """Scores of the baseline on the first seeds."""
    return [Score(task, Part.VALIDATION, s, Status.OK, x, 250, 0.5) for s, x in enumerate(losses)]


NOISE = (1.2, 0.8, 1.1, 0.9, 1.3, 0.7, 1.0, 1.0)


def judge(caution: float = 0.0, losses: Sequence[float] = NOISE, **prices: float) -> Judge:
    return Judge(baseline(losses), JudgeSettings(caution, **prices))


def constant(value: float) -> Program:
    """Programs that are told apart by a constant, and have no other."""
    return parse(f"def train(w, g, lr):\n    update = g * {value}\n    return update")


A, B, C, D = (constant(v) for v in (0.1, 0.2, 0.3, 0.4))
HASH_A, HASH_B, HASH_C, HASH_D = (functional_hash(p) for p in (A, B, C, D))

Losses = Callable[[Program, str, int], float | None]


def fake_loss(program: Program, task: str, seed: int) -> float | None:
    """A loss that depends on program and seed alone; one program in ten diverges on its second seed."""
    digest = hashlib.sha256(format_program(program).encode()).digest()
    if digest[0] < 26 and seed == 1:
        return None
    return math.exp((digest[1] - 128) / 128 + (digest[2 + seed] - 128) / 1024)


def fake_result(job: Job, losses: Losses = fake_loss) -> JobResult:
    """What a worker makes of a job, with made-up losses."""

    def train(subjects: Sequence[Subject], samples: Sequence[Sample]) -> list[list[Score]]:
        return [_scores(subject, samples, losses) for subject in subjects if isinstance(subject, Program)]

    (result,) = work([job], train)
    return result


def _scores(program: Program, samples: Sequence[Sample], losses: Losses) -> list[Score]:
    """Up to and including the first failure."""
    scores: list[Score] = []
    for sample in samples:
        scores.append(_score(program, sample, losses))
        if scores[-1].status is not Status.OK:
            break
    return scores


def _score(program: Program, sample: Sample, losses: Losses) -> Score:
    task, seed, part = sample
    loss = losses(program, task, seed)
    if loss is None:
        return Score(task, part, seed, Status.DIVERGED, None, 3, 0.5, "not finite after step 3")
    return Score(task, part, seed, Status.OK, loss, 250, 0.5)


class FakePool:
    """A pool of a given size that answers when and in which order it likes.

    Args:
        capacity: jobs it has room for.
        seed: of the order of answers; ``None`` for the order of jobs, one at a time.
        losses: of a program on a task and seed; ``None`` diverges.
        brings_down: whether a job brings down its worker.
        kind: how it does so.
    """

    def __init__(
        self,
        capacity: int,
        seed: int | None = None,
        *,
        losses: Losses = fake_loss,
        brings_down: Callable[[Job], bool] = lambda job: False,
        kind: FailureKind = FailureKind.DIED,
    ) -> None:
        self.capacity = capacity
        self.jobs: list[Job] = []
        self.running: list[tuple[int, Job]] = []
        self._rng = None if seed is None else random.Random(seed)
        self._losses = losses
        self._brings_down = brings_down
        self._kind = kind
        self._silent = 0

    @property
    def in_flight(self) -> int:
        return len(self.running)

    @property
    def room(self) -> int:
        return max(0, self.capacity - len(self.running))

    @property
    def hashes(self) -> list[str]:
        """Of what was submitted, alternatives left out."""
        return [functional_hash(job.subject) for job in self.jobs]  # type: ignore[arg-type]

    def submit(self, job_id: int, payload: Job) -> None:
        self.jobs.append(payload)
        self.running.append((job_id, payload))

    def wait(self, timeout_seconds: float) -> list[Finished]:
        count = 1
        if self._rng is not None:
            self._rng.shuffle(self.running)
            count = self._rng.choice((0, 0, 1, 2, 5, 40))
        done, self.running = self.running[:count], self.running[count:]
        self._silent = 0 if done else self._silent + 1
        assert self._silent < PATIENCE
        return [self._answer(job_id, job) for job_id, job in done]

    def _answer(self, job_id: int, job: Job) -> Finished:
        if self._brings_down(job):
            return Finished(job_id, failure=Failure(self._kind, "its worker died twice"))
        return Finished(job_id, fake_result(job, self._losses))

    def close(self) -> None:
        self.running.clear()


class PatientPool(FakePool):
    """Answers the first job at once, and the others when all that can be submitted have been."""

    def __init__(self, expected: int, **options: Any) -> None:
        super().__init__(100, **options)
        self._expected = expected

    def wait(self, timeout_seconds: float) -> list[Finished]:
        assert len(self.jobs) in (1, self._expected), (
            "what is being evaluated was submitted again, or less was"
        )
        return super().wait(timeout_seconds)


def make_search(
    store: Store,
    pool: FakePool | InlinePool,
    budget: Budget,
    settings: SearchSettings = PLAIN,
    *,
    seed: int = 0,
    initial: Program = ADAMW,
    **options: Any,
) -> Search:
    values = {"samples": SAMPLES, "judge": judge(), "flush_seconds": 0.01, **options}
    return Search(initial, settings, seed, pool, store, budget=budget, **values)


class Scripted:
    """Proposes given programs, one after the other, as children of nobody."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._programs = programs

    def choose(self, draw: int, state: SearchState) -> Choice:
        return Choice(draw, 0, state.repeats[0].era, "", None, 0, random.Random(draw))

    def make(self, choice: Choice) -> Proposal:
        program = self._programs[choice.draw]
        return Proposal(choice, "modify" if choice.draw else "initial", program, canonicalise(program))


def make_scripted(
    store: Store,
    pool: FakePool,
    programs: Sequence[Program],
    settings: SearchSettings = SCRIPTED,
    **options: Any,
) -> Search:
    """A search whose programs are given; all but the first may be in flight at once."""
    found = make_search(store, pool, Budget(len(programs)), settings, initial=programs[0], **options)
    found._proposer = Scripted(programs)  # type: ignore[assignment]
    return found


def members_of(search: Search) -> list[Member]:
    """The living of the first repeat, in the order of the log."""
    return sorted({m.id: m for m in search._state.repeats[0].population}.values(), key=lambda m: m.id)


Log = tuple[list[Individual], list[Evaluation]]


def log_of(store: Store) -> Log:
    """Individuals and evaluations."""
    return list(store.individuals()), store.evaluations()


def prefix_of(log: Log, count: int) -> Log:
    """The log after so many individuals."""
    individuals, evaluations = log
    own = [e for e in evaluations if e.individual_id is not None and e.individual_id < count]
    return individuals[:count], own
