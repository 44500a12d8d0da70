"""Who lives, and who was best."""

from __future__ import annotations

from collections.abc import Iterator

from lion_search.search.members import Member

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
