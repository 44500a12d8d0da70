"""A search rebuilt from its log, and the log held against what the search would have done.

Each logged individual is chosen and looked up again as it was the first time, from the state its proposal
saw, and committed with its logged scores. Only genomes are not made again, but for the first and the last
individuals'.

A proposal may be missing in asynchronous order: it was under way when the run was killed. What it had used up
counts as used for the choices made before the kill, and comes up again after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

from lion_search.proxy_tasks.jobs import JobResult
from lion_search.results.records import TRAINED, Evaluation, Individual, Stage
from lion_search.results.store import Store
from lion_search.search.in_flight import Training
from lion_search.search.lookup import Lookup
from lion_search.search.members import Entry
from lion_search.search.methods.method import Choice
from lion_search.search.proposing import Chosen
from lion_search.search.settings import LoopSettings, Order
from lion_search.search.timeline import Timeline

_NUM_CHECKED = 64
"""So many of the last individuals of a log, and the first ones, are made again and compared."""


class ReplayError(Exception):
    """A log that does not follow from the search's settings."""


class Replay:
    """Rebuilds a timeline from a log."""

    def __init__(self, store: Store, settings: LoopSettings, timeline: Timeline, lookup: Lookup) -> None:
        self._store = store
        self._settings = settings
        self._timeline = timeline
        self._lookup = lookup
        self._num_replayed = 0

    def __iter__(self) -> Iterator[tuple[Individual, list[Evaluation]]]:
        """Commits the log's individuals one by one, and yields each with the trainings it was the cause of.

        Raises:
            ReplayError: the log does not follow from these settings, this seed and these versions.
        """
        rows: dict[int, list[Evaluation]] = {}
        for row in self._store.evaluations(stage=Stage.SEARCH):
            if row.individual_id is not None:
                rows.setdefault(row.individual_id, []).append(row)
        count = self._store.num_individuals()
        in_order = self._settings.order is Order.DETERMINISTIC
        for individual in self._store.individuals(by_draw=not in_order):
            is_made_again = individual.id < self._settings.repeats or count - individual.id <= _NUM_CHECKED
            own = rows.pop(individual.id, [])
            self._replay(individual, own, is_made_again=is_made_again)
            yield individual, own

    def _replay(self, individual: Individual, own: list[Evaluation], *, is_made_again: bool) -> None:
        timeline = self._timeline
        chosen = self._chosen_again(individual)
        individual = replace(individual, seen=chosen.seen, retry_of=chosen.choice.retry_of)
        if is_made_again:
            _check(timeline.make(chosen).child.canonical.hash == individual.proposed_hash, individual)
        entry = self._found_again(individual, chosen, own)
        timeline.commit(individual, individual.program, entry, chosen.choice.parent, own)
        self._num_replayed += 1

    def _chosen_again(self, individual: Individual) -> Chosen:
        """What the individual was made from."""
        seen, draw = self._seen_by(individual), individual.draw
        num_lost, lost = draw - self._num_replayed, set[Hashable]()
        while True:
            chosen = self._timeline.choose(draw, seen, lost)
            if _is_choice_of(individual, chosen.choice):
                return chosen
            took = chosen.choice.takes
            _check(took is not None and len(lost) < num_lost, individual)
            lost.add(took)  # by a proposal that is not in the log

    def _seen_by(self, individual: Individual) -> int:
        """How many individuals of the log its proposal saw; logs of schema 2 do not say."""
        if self._settings.order is Order.DETERMINISTIC:
            seen = self._timeline.seen_by(individual.draw)
            _check(individual.seen in (seen, None), individual)
            return seen
        if individual.seen is None:
            raise ReplayError(
                "it was made in asynchronous order by a version that did not log enough for that"
            )
        return individual.seen

    def _found_again(self, individual: Individual, chosen: Chosen, own: list[Evaluation]) -> Entry:
        """The entry of a logged individual, which is in flight from now on."""
        timeline, parent = self._timeline, chosen.choice.parent
        in_flight = timeline.in_flight
        decision = self._lookup.decide(
            individual.proposed_hash,
            None if parent is None else parent.hash,
            lambda: individual.fingerprint,
            timeline.state,
            in_flight,
        )
        entry = decision.entry or Entry()
        scored_id = individual.id if decision.entry is None else in_flight.origin(entry)[0]
        _check((decision.outcome, scored_id) == (individual.outcome, individual.scored_id), individual)
        scores = tuple(row.score for row in own if row.subject == individual.hash)
        is_trained = decision.entry is None or individual.outcome in TRAINED
        in_flight.add(
            individual.draw,
            individual.repeat,
            chosen.choice,
            entry,
            keys=decision.new_keys(individual.proposed_hash),
            training=Training(JobResult(scores)) if is_trained else None,
        )
        return entry


def _is_choice_of(individual: Individual, choice: Choice) -> bool:
    """Whether a logged individual was made from a choice, as far as the log says."""
    parent_id = None if choice.parent is None else choice.parent.id
    if (parent_id, choice.era) != (individual.parent_id, individual.era):
        return False
    return individual.seen is None or choice.retry_of == individual.retry_of


def _check(is_same: bool, individual: Individual) -> None:
    if not is_same:
        raise ReplayError(
            f"individual {individual.id} is not what this configuration and these versions propose there"
        )
