"""Who lives, and who was best."""

from __future__ import annotations

from collections.abc import Iterator

from lion_search.results.leaders import Leaders
from lion_search.search.members import Entry, Member

HALL_SIZE = 32


class Population:
    """A ring in which the newest takes the place of the oldest."""

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


def hall_of_fame() -> Leaders[Entry, Member]:
    """The best members, at most one for each entry; nobody is in it yet."""
    return Leaders(lambda member: member.judged, HALL_SIZE)
