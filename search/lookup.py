"""Whose scores a proposed program gets: its own training's, or an earlier individual's.

Nothing is evaluated twice: a program whose functional hash is known, or whose fingerprint is, shares the
scores of the earlier one, also while that is still being evaluated. The exception are update scales: a new
program at another scale may be a known one, and is trained with the others all the same, so that the best
scale is found (1 to 2 % of the trainings of a search with three scales). Whether a known program is trained
on further seeds, or once more after it brought down its worker, is asked of the state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lion_search.dsl.cost import static_cost
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import TRAINED, Evaluation, Individual, Outcome, Stage
from lion_search.search.evolution import Proposal
from lion_search.search.settings import SearchSettings
from lion_search.search.state import Applied, Entry, SearchState, Training


@dataclass(slots=True, eq=False)
class Pending:
    """An individual that has been proposed and not committed.

    Attributes:
        proposal: its genome as proposed.
        entry: whose scores it shares.
        training: the last one of that when it was proposed.
        outcome: what is done with it.
        fingerprint: where it was computed.
        is_kept: whether its genome is what was kept of the entry, not what is still to be scaled like it.
        is_first: whether the entry was made for it.
    """

    proposal: Proposal
    entry: Entry
    training: Training
    outcome: Outcome
    fingerprint: str | None = None
    is_kept: bool = False
    is_first: bool = False


class Known:
    """A table from hashes and fingerprints, both digests of 128 bits, to entries."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._kept: set[str] = set()

    def find(self, key: str) -> tuple[Entry | None, bool]:
        """The entry of a key, if there is one, and whether the key is of what was kept of it.

        With update scales, what is kept of an entry may be another program than the one proposed.
        """
        return self._entries.get(key), key in self._kept

    def add(self, key: str, entry: Entry, *, is_kept: bool = False) -> None:
        """Registers a key; the first entry of a key stays."""
        if self._entries.setdefault(key, entry) is entry and is_kept:
            self._kept.add(key)


class Lookup:
    """Finds or makes the entry of each proposal, in the order of proposals."""

    def __init__(
        self,
        settings: SearchSettings,
        samples: tuple[Sample, ...],
        earlier_scores: Mapping[str, tuple[Score, ...]],
        max_cost: float | None,
    ) -> None:
        """A lookup that knows no program.

        Args:
            settings: of the search.
            samples: what new programs are trained on.
            earlier_scores: by functional hash, scores on these samples from earlier runs.
            max_cost: programs of a larger static cost are not trained; ``None`` is no limit.
        """
        self._settings = settings
        self._samples = samples
        self._earlier = earlier_scores
        self._max_cost = max_cost
        self._known = Known()

    def find(self, proposal: Proposal, state: SearchState) -> tuple[Pending, Job | None]:
        """What is pending of a proposal, and the job to be done for it if there is one."""
        canonical = proposal.canonical
        entry, is_kept = self._known.find(canonical.hash)
        if entry is None:
            return self._find_new(proposal, state)
        if entry.hash == canonical.hash:  # as known to the state; not of what only shares its fingerprint
            if state.wants_second_chance(entry):
                return _again(proposal, entry, Outcome.EVALUATED, self._samples)
            if state.wants_more_samples(entry):
                return _again(proposal, entry, Outcome.RESAMPLED, self._further_samples(entry))
        parent = proposal.choice.parent
        is_parents = parent is not None and parent.hash == canonical.hash
        outcome = Outcome.SAME_AS_PARENT if is_parents else Outcome.SEEN
        return Pending(proposal, entry, entry.latest, outcome, is_kept=is_kept), None

    def note(self, event: Applied) -> None:
        """Registers what was kept of an entry, once the state knows it."""
        if event.member.hash != event.proposed_hash:
            self._known.add(event.member.hash, event.member.entry, is_kept=True)

    def find_again(self, individual: Individual, rows: list[Evaluation], entries: dict[int, Entry]) -> Entry:
        """The entry of a logged individual.

        Args:
            individual: the next of the log.
            rows: the trainings it was the cause of.
            entries: of those before it, by number; a new one is added.
        """
        scores = tuple(row.score for row in rows if row.subject == individual.hash)
        if individual.scored_id == individual.id:
            entry = Entry(individual.id, Training(JobResult(scores)), scale=individual.update_scale)
            entries[individual.id] = entry
            self._register(individual.proposed_hash, individual.fingerprint, entry)
            return entry
        entry = entries[individual.scored_id]
        if individual.outcome is Outcome.FINGERPRINT:
            assert individual.fingerprint is not None
            _, is_kept = self._known.find(individual.fingerprint)
            self._known.add(individual.proposed_hash, entry, is_kept=is_kept)
        elif individual.outcome in TRAINED:
            entry.is_busy = True
            entry.latest = Training(JobResult(scores))
        return entry

    def _find_new(self, proposal: Proposal, state: SearchState) -> tuple[Pending, Job | None]:
        """A hash that is new: its fingerprint may still be known."""
        hash_, key = proposal.canonical.hash, None
        if self._settings.fingerprint:
            key = fingerprint(proposal.canonical.program())
            entry, is_kept = self._known.find(key)
            if entry is not None:
                self._known.add(hash_, entry, is_kept=is_kept)
                return Pending(proposal, entry, entry.latest, Outcome.FINGERPRINT, key, is_kept), None
        entry = Entry(proposal.choice.draw, Training())
        self._register(hash_, key, entry)
        entry.latest.result = self._scores_without_training(proposal)
        is_reused = hash_ in self._earlier
        outcome = Outcome.REUSED if is_reused else Outcome.EVALUATED
        pending = Pending(proposal, entry, entry.latest, outcome, key, is_first=True)
        return pending, None if entry.latest.result else self._job(proposal, state)

    def _register(self, hash_: str, key: str | None, entry: Entry) -> None:
        self._known.add(hash_, entry)
        if key is not None:
            self._known.add(key, entry)

    def _scores_without_training(self, proposal: Proposal) -> JobResult | None:
        """Those of an earlier run, or the failure of a program that is too dear."""
        if (scores := self._earlier.get(proposal.canonical.hash)) is not None:
            return JobResult(scores)
        if self._max_cost is None:
            return None
        cost = static_cost(proposal.canonical.program())
        if cost <= self._max_cost:
            return None
        reason = f"a step costs {cost:g} additions for each weight; the limit is {self._max_cost:g}"
        task, seed, part = self._samples[0]
        return JobResult((Score(task, part, seed, Status.TOO_LARGE, None, 0, 0.0, reason),))

    def _job(self, proposal: Proposal, state: SearchState) -> Job:
        scaled = [scale_update(proposal.program, scale) for scale in self._settings.update_scales[1:]]
        forms = [canonicalise(program) for program in scaled]
        if all(form.hash == proposal.canonical.hash for form in forms):
            forms = []  # its update is a constant that scaling does not change, such as 0
        others = tuple([form.program() for form in forms])
        return Job(proposal.canonical.program(), self._samples, others, state.hurdle())

    def _further_samples(self, entry: Entry) -> tuple[Sample, ...]:
        """As many seeds of each task again as it has had, up to the limit."""
        limit = self._settings.noise.max_seeds
        seeds = Stage.SEARCH.seeds(limit)
        had = Counter(score.task for score in entry.scores)
        return tuple(
            (task, seed, Part.VALIDATION) for task, n in had.items() for seed in seeds[n : min(2 * n, limit)]
        )


def _again(
    proposal: Proposal, entry: Entry, outcome: Outcome, samples: tuple[Sample, ...]
) -> tuple[Pending, Job]:
    """A known program that is trained once more."""
    entry.is_busy = True
    entry.latest = Training()
    pending = Pending(proposal, entry, entry.latest, outcome, is_kept=True)
    return pending, Job(proposal.canonical.program(), samples)
