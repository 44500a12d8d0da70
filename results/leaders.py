"""The best of what is being judged."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Member = TypeVar("Member")


class Leaders(Generic[Key, Member]):
    """Members of which the best are kept, at most one for each key.

    What a member is judged by may change while it is here: it is asked for at each look.
    """

    def __init__(self, judged: Callable[[Member], Any], size: int | None = None) -> None:
        """No members.

        Args:
            judged: what a member is compared by; higher is better.
            size: how many are kept at most; ``None`` for all.
        """
        self._judged = judged
        self._size = size
        self._members: dict[Key, Member] = {}

    def get(self, key: Key) -> Member | None:
        """The member with a key, if there is one."""
        return self._members.get(key)

    def offer(self, key: Key, member: Member) -> None:
        """Takes a member in, unless its key has one, or there is no room and none is worse."""
        if key in self._members:
            return
        if len(self._members) == self._size:
            worst = min(self._members, key=self._judged_of)
            if self._judged_of(worst) >= self._judged(member):
                return
            del self._members[worst]
        self._members[key] = member

    def best(self) -> Member | None:
        """The best, the first of equals; ``None`` while there is none."""
        return max(self._members.values(), key=self._judged, default=None)

    def ranked(self) -> list[Member]:
        """All, the best first; equals in the order in which they came."""
        return sorted(self._members.values(), key=self._judged, reverse=True)

    def _judged_of(self, key: Key) -> Any:
        return self._judged(self._members[key])
