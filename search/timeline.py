"""Where a search stands: what its state has learned of, what is in flight, and the log between the two."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence, Set
from dataclasses import replace

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.results.judge import Judge
from lion_search.results.records import IMMIGRANT, Evaluation, Immigrant, Individual
from lion_search.search.in_flight import InFlight, Proposal
from lion_search.search.members import Entry, Event, Member
from lion_search.search.methods.method import Choice, make_child
from lion_search.search.proposing import Chosen, Proposer
from lion_search.search.settings import Order, SearchSettings
from lion_search.search.state import SearchState


class Timeline:
    """The one owner of a search's state and of what is in flight.

    A search adds to it as it goes, and a replay does the same from the log.

    Attributes:
        state: what proposals see.
        in_flight: what has been proposed and is not applied to the state.
        num_committed: individuals in the log.
        next_draw: number of the next proposal.
    """

    def __init__(self, initial: Program, settings: SearchSettings, seed: int | str, judge: Judge) -> None:
        self._settings = settings.loop
        self._judge = judge
        self._proposer = Proposer(seed, settings.loop.repeats)
        self._committed: dict[int, Event] = {}
        self._immigrants: dict[int, Immigrant] = {}
        self.state = SearchState(initial, settings, judge)
        self.in_flight = InFlight(settings.loop.repeats)
        self.num_committed = 0
        self.next_draw = 0

    @property
    def may_propose(self) -> bool:
        """Whether all that the next proposal may see has been committed."""
        settings = self._settings
        if self.next_draw < settings.repeats:
            return True
        needed = self.next_draw - settings.lag if settings.order is Order.DETERMINISTIC else 0
        return self.num_committed >= max(settings.repeats, needed)

    def seen_by(self, draw: int) -> int:
        """How many individuals of the log a proposal that is made now sees."""
        in_order = self._settings.order is Order.DETERMINISTIC
        return max(0, draw - self._settings.lag) if in_order else self.num_committed

    def choose(self, draw: int, seen: int, lost: Set[Hashable] = frozenset()) -> Chosen:
        """What a proposal is made from: nothing of the search, where an immigrant takes its place.

        Args:
            draw: its number.
            seen: how many individuals of the log it sees.
            lost: what else counts as used up: by proposals that came to nothing.
        """
        self.advance(seen)
        self.next_draw = max(self.next_draw, draw + 1)
        taken = self.in_flight.taken(draw % self._settings.repeats)
        chosen = self._proposer.choose(draw, self.state, taken | lost if lost else taken)
        if draw in self._immigrants:
            return replace(chosen, choice=Choice(IMMIGRANT, None, chosen.choice.era))
        return chosen

    def make(self, chosen: Chosen) -> Proposal:
        """The genome of a choice."""
        if (immigrant := self._immigrants.get(chosen.draw)) is not None:
            child = make_child(IMMIGRANT, parse(immigrant.program, immigrant.origin))
            return Proposal(chosen.draw, chosen.repeat, chosen.seen, chosen.choice, child)
        return self._proposer.make(chosen, self.state)

    def admit(self, immigrants: Iterable[Immigrant]) -> None:
        """Notes what came in from other islands; its proposals have not been made yet."""
        self._immigrants.update((immigrant.draw, immigrant) for immigrant in immigrants)

    def commit(
        self,
        individual: Individual,
        program: Program | str,
        entry: Entry,
        parent: Member | None,
        evaluations: Sequence[Evaluation],
    ) -> None:
        """Takes in the next individual of the log; the state learns of it once its turn has come."""
        price = self._judge.price(individual.num_states, individual.num_canonical_statements)
        member = Member(individual.id, program, individual.hash, entry, price)
        own = tuple([e.score for e in evaluations if e.subject == individual.hash])
        self._committed[individual.id] = Event(individual, member, parent, own)
        self.in_flight.commit(individual, entry)
        self.num_committed += 1

    def advance(self, count: int) -> None:
        """Applies the log to the state, up to so many individuals in all."""
        while self.state.num_applied < min(count, self.num_committed):
            event = self._committed.pop(self.state.num_applied)
            self.state.apply(event)
            self.in_flight.land(event.individual)
