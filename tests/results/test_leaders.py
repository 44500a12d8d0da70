"""The best of what is being judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lion_search.results.leaders import Leaders


@dataclass(eq=False)
class Member:
    name: str
    judged: float


def leaders(*members: Member, size: int | None = None) -> Leaders[str, Member]:
    found: Leaders[str, Member] = Leaders(lambda member: member.judged, size)
    for member in members:
        found.offer(member.name, member)
    return found


def names(found: Leaders[str, Member]) -> str:
    return "".join(member.name for member in found.ranked())


def test_where_there_are_none_there_is_no_best() -> None:
    assert leaders().best() is None
    assert leaders().ranked() == []


def test_of_equals_the_first_is_the_best() -> None:
    one, other = Member("z", 1), Member("a", 1)
    assert leaders(Member("m", 0), one, other).best() is one


def test_a_key_keeps_its_first_member() -> None:
    first = Member("a", 1)
    assert leaders(first, Member("a", 2)).get("a") is first


def test_members_are_judged_anew_at_each_look() -> None:
    a, b, c = Member("a", 3), Member("b", 2), Member("c", 1)
    found = leaders(a, b, c)
    a.judged = 0
    assert found.best() is b
    assert names(found) == "bca"


def test_where_there_is_no_room_the_worst_makes_it_for_a_better_one() -> None:
    """The worst by what it is judged now; an equal one does not get in."""
    a, b = Member("a", 3), Member("b", 2)
    found = leaders(a, b, Member("c", 2), size=2)
    assert names(found) == "ab"
    a.judged = 1
    found.offer("d", Member("d", 2))
    assert names(found) == "bd"


@given(st.lists(st.integers(0, 9)), st.integers(1, 5))
def test_the_best_of_all_that_were_offered_are_kept(values: Sequence[int], size: int) -> None:
    members = [Member(str(number), value) for number, value in enumerate(values)]
    kept = [member.judged for member in leaders(*members, size=size).ranked()]
    assert kept == sorted(values, reverse=True)[:size]
