"""What the tests of the search share: pools that answer as they like, a judge, and short ways to search."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Hashable, Sequence, Set
from typing import Any

from lion_search.dsl.equivalence.canonical import functional_hash
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
from lion_search.search.driver import Search
from lion_search.search.members import Member
from lion_search.search.methods.method import MUTATED, Child, Choice, Method, make_child
from lion_search.search.methods.table import settings_class
from lion_search.search.settings import Budget, HurdleSettings, NoiseSettings, SearchSettings

TASK = "fake"
SAMPLES = [(TASK, 0), (TASK, 1)]
ADAMW = library_program("adamw")
PATIENCE = 10_000
"""Most calls of ``wait`` without an answer; more means the search waits for nothing."""


_MUTATION = MutationSpace()


def settings(
    *,
    mutation: MutationSpace = _MUTATION,
    until_changed: float = 0.0,
    noise: dict[str, Any] | None = None,
    hurdle: dict[str, Any] | None = None,
    method: str = "evolution",
    **loop: Any,
) -> SearchSettings:
    """Settings, those of the loop and of the method by their names; a lag of 0 is not for configurations."""
    lag = loop.pop("lag", 256)
    own = settings_class(method)(method=method, **loop).model_copy(update={"lag": lag})
    return SearchSettings(
        own,
        mutation,
        until_changed,
        NoiseSettings(**noise or {}),
        HurdleSettings(**hurdle or {}),
    )


def changed(old: SearchSettings, **new: Any) -> SearchSettings:
    """The same with others in their place; of ``noise`` and ``hurdle`` those that are given, or none."""
    loop = old.loop.model_dump(exclude_defaults=True)
    values = {"mutation": old.mutation, "until_changed": old.until_changed, **loop}
    for name in ("noise", "hurdle"):
        own = new.pop(name, {})
        values[name] = None if own is None else getattr(old, name).model_dump(exclude_defaults=True) | own
    return settings(**values | new)


PLAIN = settings(
    population=100,
    tournament=3,
    lag=20,
    mutation=MutationSpace(functions=("maximum", "minimum", "sign", "abs", "add")),
)
SCRIPTED = settings(population=10)

EVERYTHING = settings(
    population=12,
    tournament=3,
    lag=24,
    repeats=3,
    plateau=30,
    until_changed=0.3,
    mutation=MutationSpace(functions=("maximum", "minimum", "sign"), new_variable=0.3),
    noise={"max_seeds": 8, "hits": 2, "near": 3.0},
    hurdle={"percentile": 60, "window": 200, "rejects": True},
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
    seed: int | str = 0,
    initial: Program = ADAMW,
    **options: Any,
) -> Search:
    values = {"samples": SAMPLES, "judge": judge(), "flush_seconds": 0.01, **options}
    return Search(initial, settings, seed, pool, store, budget=budget, **values)


class Scripted:
    """A method that proposes given programs, one after the other; else it does as another does."""

    def __init__(self, method: Method, programs: Sequence[Program]) -> None:
        self._method = method
        self._programs = programs
        self._index = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def choose(self, index: int, rng: random.Random, taken: Set[Hashable]) -> Choice:
        self._index = index
        return Choice(MUTATED, None)

    def make(self, choice: Choice, rng: random.Random) -> Child:
        return make_child("modify" if self._index else "initial", self._programs[self._index])


def make_scripted(
    store: Store,
    pool: FakePool,
    programs: Sequence[Program],
    settings: SearchSettings = SCRIPTED,
    **options: Any,
) -> Search:
    """A search whose programs are given; all but the first may be in flight at once."""
    budget = Budget(programs=len(programs))
    found = make_search(store, pool, budget, settings, initial=programs[0], **options)
    repeats = found._timeline.state.repeats
    repeats[0] = Scripted(repeats[0], programs)  # type: ignore[assignment]
    return found


def members_of(search: Search) -> list[Member]:
    """The living of the first repeat, in the order of the log."""
    living = search._timeline.state.repeats[0].living()
    return sorted({m.id: m for m in living}.values(), key=lambda m: m.id)


Log = tuple[list[Individual], list[Evaluation]]


def log_of(store: Store) -> Log:
    """Individuals and evaluations."""
    return list(store.individuals()), store.evaluations()


def prefix_of(log: Log, count: int) -> Log:
    """The log after so many individuals."""
    individuals, evaluations = log
    own = [e for e in evaluations if e.individual_id is not None and e.individual_id < count]
    return individuals[:count], own
