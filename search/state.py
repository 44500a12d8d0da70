"""What a search knows at a point of its log: populations, scores, the best, hurdles.

The state changes only by :meth:`SearchState.apply`, one logged individual after the other. Every choice of
a search is a function of a state and of the choice's own random stream. In deterministic order a proposal
at position ``i`` sees the state just before ``i - lag``, whatever has been committed since; so the same
config and seed give the same programs, and a state is rebuilt by applying a log.
"""

from __future__ import annotations

import bisect
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import JobResult
from lion_search.proxy_tasks.scores import FAULTS, Score, Status, overall_status
from lion_search.results.judge import Judge
from lion_search.results.records import NOVEL, TRAINED, Outcome
from lion_search.search.settings import Method, SearchSettings

HALL_SIZE = 32
MIN_FIRST_LOSSES = 50
"""A hurdle needs so many first losses before it stops anything."""
MAX_RETRIES = 8
"""Most times in a row that one parent is mutated again because its child was rejected."""


@dataclass(slots=True, eq=False)
class Training:
    """One job and, once it is back, what came of it."""

    result: JobResult | None = None


@dataclass(slots=True, eq=False)
class Entry:
    """What is known of one program and of all that share its scores.

    ``latest`` is of the moment. All else is as of the state: it changes when an individual is applied.

    Attributes:
        id: the individual it was first scored for.
        latest: the last training that was asked for.
        scores: on all samples so far.
        status: of these; ``None`` before any was applied.
        fitness: mean over the samples.
        judged: the same with caution, and without prices.
        num_failures: trainings that brought down their worker.
        num_hits: since it was last trained.
        is_busy: further samples or a second chance were asked for and have not been applied.
        hash: of the program that was kept, which is what was trained.
        scale: what the update of the program that was proposed is multiplied by to be the one that was kept.
            As of the first training's end: what is committed later refers to it.
    """

    id: int
    latest: Training
    scores: tuple[Score, ...] = ()
    status: Status | None = None
    fitness: float = 0.0
    judged: float = 0.0
    num_failures: int = 0
    num_hits: int = 0
    is_busy: bool = True
    hash: str = ""
    scale: float = 1.0


@dataclass(slots=True, eq=False)
class Member:
    """An individual that may become a parent.

    Attributes:
        id: its number in the log.
        source: its genome, or the text of it.
        hash: functional hash.
        entry: what it shares its scores with.
        price: taken off its fitness.
    """

    id: int
    source: Program | str
    hash: str
    entry: Entry
    price: float = 0.0

    @property
    def program(self) -> Program:
        """The genome; a text is read when it is first needed."""
        if isinstance(self.source, str):
            self.source = parse(self.source)
        return self.source

    @property
    def judged(self) -> float:
        """By which it is compared with others."""
        return self.entry.judged - self.price


@dataclass(frozen=True, slots=True)
class Applied:
    """One individual of the log, as the state needs it.

    Attributes:
        member: the individual.
        repeat: its population.
        era: how often that population had been restarted when it was proposed.
        retries: how often in a row its parent had been mutated again before it.
        parent: its parent.
        outcome: what the search did with it.
        scores: of the training it was the cause of; empty if there was none.
        proposed_hash: functional hash before an update scale was folded in.
    """

    member: Member
    repeat: int
    era: int
    retries: int
    parent: Member | None
    outcome: Outcome
    scores: tuple[Score, ...]
    proposed_hash: str


class Population:
    """The living of one repeat: a ring in which the newest takes the place of the oldest."""

    def __init__(self, founder: Member, size: int) -> None:
        self._members = [founder] * size
        self._next = 0

    def add(self, member: Member) -> None:
        """The oldest dies."""
        self._members[self._next] = member
        self._next = (self._next + 1) % len(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __getitem__(self, place: int) -> Member:
        return self._members[place]


class HallOfFame:
    """The best members, at most one for each entry; judged anew whenever one is looked for."""

    def __init__(self) -> None:
        self._members: list[Member] = []

    def offer(self, member: Member) -> None:
        """Takes a member in if it is among the best."""
        if any(other.entry is member.entry for other in self._members):
            return
        if len(self._members) == HALL_SIZE:
            worst = min(range(HALL_SIZE), key=lambda place: self._members[place].judged)
            if self._members[worst].judged >= member.judged:
                return
            del self._members[worst]
        self._members.append(member)

    def best(self) -> Member | None:
        """The best, the first of equals; ``None`` while there is none."""
        return max(self._members, key=lambda member: member.judged, default=None)


class FirstLosses:
    """The last losses of the first sample, in order of size."""

    def __init__(self, window: int) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._window = window

    def add(self, loss: float) -> None:
        """Adds the newest and drops the oldest beyond the window."""
        self._recent.append(loss)
        bisect.insort(self._sorted, loss)
        if len(self._recent) > self._window:
            del self._sorted[bisect.bisect_left(self._sorted, self._recent.popleft())]

    def percentile(self, percent: float) -> float | None:
        """The smallest loss that so many percent do not exceed; ``None`` while there are few."""
        count = len(self._sorted)
        if count < min(self._window, MIN_FIRST_LOSSES):
            return None
        return self._sorted[min(count - 1, int(count * percent / 100))]


@dataclass(slots=True)
class Repeat:
    """One of a run's independent populations.

    Attributes:
        population: the living.
        hall: its best since it began or was restarted.
        era: how often it was restarted.
        is_restarting: its next proposal is the program it is restarted from.
        since_best: individuals applied since its best was found.
        retries: parents to be mutated again, and how often they were already.
    """

    population: Population
    hall: HallOfFame = field(default_factory=HallOfFame)
    era: int = 0
    is_restarting: bool = False
    since_best: int = 0
    retries: deque[tuple[Member, int]] = field(default_factory=deque)


class SearchState:
    """See the module."""

    def __init__(self, founders: Sequence[Member], settings: SearchSettings, judge: Judge) -> None:
        """The state of an empty log.

        Args:
            founders: the initial program as the first individual of each repeat.
            settings: of the search.
            judge: turns scores into fitness.
        """
        self._settings = settings
        self._judge = judge
        self.repeats = [Repeat(Population(founder, settings.population)) for founder in founders]
        self.num_applied = 0
        self._first_losses = FirstLosses(settings.hurdle.window)

    def best(self) -> Member | None:
        """The best of all repeats."""
        found = [best for repeat in self.repeats if (best := repeat.hall.best()) is not None]
        return max(found, key=lambda member: member.judged, default=None)

    def hurdle(self) -> float | None:
        """The highest first loss with which a training goes on, if there is a hurdle."""
        percentile = self._settings.hurdle.percentile
        return None if percentile is None else self._first_losses.percentile(percentile)

    def wants_more_samples(self, entry: Entry) -> bool:
        """Whether a program that is hit once more is worth further seeds: hit often, and near the best."""
        noise = self._settings.noise
        if entry.is_busy or entry.status is not Status.OK or entry.num_hits + 1 < noise.hits:
            return False
        if fewest_seeds(entry.scores) >= noise.max_seeds:
            return False
        best = self.best()
        return best is None or entry.fitness >= best.entry.judged - noise.near * self._judge.standard_error(
            entry.scores
        )

    def wants_second_chance(self, entry: Entry) -> bool:
        """Whether a program that brought down its worker is tried once more.

        The first time may have been another's fault.
        """
        return entry.status in FAULTS and entry.num_failures == 1 and not entry.is_busy

    def apply(self, event: Applied) -> None:
        """Adds the next individual of the log."""
        self.num_applied += 1
        entry = event.member.entry
        if event.scores:
            entry.hash = event.member.hash
            self._learn(entry, event)
        else:
            entry.num_hits += 1
        repeat = self.repeats[event.repeat]
        if self.num_applied <= len(self.repeats) and self._settings.method is not Method.RANDOM:
            repeat.population = Population(event.member, self._settings.population)  # the initial program
        if event.era != repeat.era:  # proposed before the restart: no parent, but it may be the best
            if event.scores and entry.status is Status.OK:
                repeat.hall.offer(event.member)
            return
        if self._settings.hurdle.rejects and entry.status is not Status.OK:
            if event.parent is not None and event.retries < MAX_RETRIES:
                repeat.retries.append((event.parent, event.retries + 1))
        else:
            repeat.population.add(event.member)
        self._look_for_progress(repeat, event)

    def _learn(self, entry: Entry, event: Applied) -> None:
        scores = event.scores
        entry.scores = (*entry.scores, *scores) if event.outcome is Outcome.RESAMPLED else scores
        entry.status = overall_status(scores)
        entry.num_failures += entry.status in FAULTS
        entry.fitness = self._judge.fitness(entry.scores)
        entry.judged = self._judge.cautious(entry.scores)
        entry.num_hits = 0
        entry.is_busy = False
        if event.outcome in NOVEL and (loss := scores[0].loss) is not None:
            self._first_losses.add(loss)

    def _look_for_progress(self, repeat: Repeat, event: Applied) -> None:
        """Notes a new best; restarts the population from the best of all if there was none for long."""
        repeat.since_best += 1
        if event.outcome in TRAINED or event.outcome is Outcome.REUSED:
            best = repeat.hall.best()
            if event.member.entry.status is Status.OK:
                if best is None or event.member.judged > best.judged:
                    repeat.since_best = 0
                repeat.hall.offer(event.member)
        plateau = self._settings.plateau
        if plateau is not None and repeat.since_best >= plateau and (found := self.best()) is not None:
            repeat.population = Population(found, self._settings.population)
            repeat.hall = HallOfFame()
            repeat.hall.offer(found)
            repeat.era += 1
            repeat.is_restarting = True
            repeat.since_best = 0
            repeat.retries.clear()


def fewest_seeds(scores: Sequence[Score]) -> int:
    """On how many seeds a program was trained, of the task where that is least."""
    return min(Counter(score.task for score in scores).values(), default=0)
