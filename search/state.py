"""What a search knows at a point of its log: scores, populations, the best, hurdles.

The state changes only by :meth:`SearchState.apply`, one logged individual after the other. What has been
proposed and is not in the log yet, or not applied yet, is :class:`in_flight.InFlight`.
Every choice of a search is a function of a state, of what is in flight, and of the choice's own random
stream. In deterministic order a proposal at position ``i`` sees the state just before ``i - lag``, whatever
has been committed since; so the same config and seed give the same programs, and a state is rebuilt by
applying a log.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator

from lion_search.dsl.equivalence.canonical import Canonical, functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.scores import FAULTS, Status, overall_status
from lion_search.results.judge import Judge
from lion_search.results.records import NOVEL, Outcome
from lion_search.search.members import Entry, Event, Member, fewest_seeds
from lion_search.search.methods.method import Method, Start
from lion_search.search.methods.table import find_method
from lion_search.search.niches import NICHES
from lion_search.search.population import hall_of_fame
from lion_search.search.settings import SearchSettings

MIN_FIRST_LOSSES = 50
"""A hurdle needs so many first losses before it stops anything."""


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


class Known:
    """A table from hashes and fingerprints, both digests of 128 bits, to entries.

    With update scales, what is kept of a program that was proposed may be another one; both hashes lead to
    the entry, and a genome that has the kept one's is not scaled again.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._kept: set[str] = set()

    def find(self, key: str) -> tuple[Entry | None, bool]:
        """The entry of a key, if there is one, and whether the key is the hash of what was kept of it."""
        return self._entries.get(key), key in self._kept

    def add_proposed(self, key: str, entry: Entry) -> None:
        """Registers the key of a program that was new when it was proposed.

        What became known by this key since then, as the kept form of another program, gives way.
        """
        self._entries[key] = entry
        self._kept.discard(key)

    def add_kept(self, key: str, entry: Entry) -> None:
        """Registers the hash of what was kept of an entry; a key that is known stays as it is."""
        if self._entries.setdefault(key, entry) is entry:
            self._kept.add(key)


class SearchState:
    """See the module.

    Attributes:
        repeats: the method object of each repeat.
        known: the entries by hash and by fingerprint.
        num_applied: individuals of the log that it has learned of.
    """

    def __init__(self, initial: Program, settings: SearchSettings, judge: Judge) -> None:
        """The state of an empty log.

        Args:
            initial: the program everything begins with.
            settings: of the search.
            judge: turns scores into fitness.
        """
        self._settings = settings
        self._judge = judge
        start = find_method(settings.loop.method).start
        hash_, entry = functional_hash(initial), Entry()
        founders = [Member(number, initial, hash_, entry) for number in range(settings.loop.repeats)]
        self.repeats: list[Method] = [start(Start(founder, settings)) for founder in founders]
        self.known = Known()
        self.num_applied = 0
        self._niches = NICHES[settings.loop.niches]
        window = settings.hurdle.window
        count = self._niches.count(initial)
        self._first_losses = [FirstLosses(window) for _ in range(count)]
        self._halls = [hall_of_fame() for _ in range(count)]

    def apply(self, event: Event) -> None:
        """Adds the next individual of the log."""
        self.num_applied += 1
        self._learn(event)
        self._register(event)
        if event.scores and event.is_ok:
            self._halls[event.member.entry.niche].offer(event.member.entry, event.member)
        self.repeats[event.individual.repeat].apply(event, self.best)

    def best(self) -> Member | None:
        """The best of all repeats."""
        found = [best for repeat in self.repeats if (best := repeat.best()) is not None]
        return max(found, key=lambda member: member.judged, default=None)

    def frontier(self) -> dict[str, Member | None]:
        """The best of each niche by its title; ``None`` while there is none."""
        return {self._niches.title(number): hall.best() for number, hall in enumerate(self._halls)}

    def living(self) -> Iterator[Member]:
        """Whoever may become a parent."""
        for repeat in self.repeats:
            yield from repeat.living()

    def hurdle(self, canonical: Canonical) -> float | None:
        """The highest first loss with which the training of a program goes on, if there is a hurdle."""
        percentile = self._settings.hurdle.percentile
        niche = self._niches.of(canonical.num_states, len(canonical.applications))
        return None if percentile is None else self._first_losses[niche].percentile(percentile)

    def wants_more_samples(self, entry: Entry) -> bool:
        """Whether a program that is hit once more is worth further seeds: hit often, and near the best."""
        noise = self._settings.noise
        if entry.status is not Status.OK or entry.num_hits + 1 < noise.hits:
            return False
        if fewest_seeds(entry.scores) >= (noise.max_seeds or 1):
            return False
        best = self.best() if len(self._halls) == 1 else self._halls[entry.niche].best()
        return best is None or entry.fitness >= best.entry.judged - noise.near * self._judge.standard_error(
            entry.scores
        )

    def wants_second_chance(self, entry: Entry) -> bool:
        """Whether a program that brought down its worker is tried once more.

        The first time may have been another's fault.
        """
        return entry.status in FAULTS and entry.num_failures == 1

    def _learn(self, event: Event) -> None:
        """Brings what is known of the individual's program up to date."""
        entry, individual, scores = event.member.entry, event.individual, event.scores
        if not scores:
            entry.num_hits += 1
            return
        if individual.scored_id == individual.id:
            entry.id, entry.scale = individual.id, individual.update_scale
            entry.niche = self._niches.of(individual.num_states, individual.num_canonical_statements)
        entry.hash = individual.hash
        entry.scores = (*entry.scores, *scores) if individual.outcome is Outcome.RESAMPLED else scores
        entry.status = overall_status(scores)
        entry.num_failures += entry.status in FAULTS
        entry.fitness = self._judge.fitness(entry.scores)
        entry.judged = self._judge.cautious(entry.scores)
        entry.num_hits = 0
        if individual.outcome in NOVEL and (loss := scores[0].loss) is not None:
            self._first_losses[entry.niche].add(loss)

    def _register(self, event: Event) -> None:
        """Notes by which keys the program is found from now on."""
        individual, entry = event.individual, event.member.entry
        is_new = individual.scored_id == individual.id
        if is_new or individual.outcome is Outcome.FINGERPRINT:
            self.known.add_proposed(individual.proposed_hash, entry)
        if is_new and individual.fingerprint is not None:
            self.known.add_proposed(individual.fingerprint, entry)
        if individual.hash != individual.proposed_hash:
            self.known.add_kept(individual.hash, entry)
