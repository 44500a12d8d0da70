"""Niches: classes of programs that are compared with their like, one row for each way to tell them apart.

The way to the best program with one state array may lead through programs that lose against any with two. In
a niche of its own it is compared with programs of one state array only; a search hands over the best of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural


@dataclass(frozen=True, slots=True)
class Niches:
    """One way to tell programs apart.

    Attributes:
        name: as configurations have it.
        count: how many niches a search has, from its initial program.
        of: the niche of a program, from 0, by its canonical form's number of states and of statements.
        title: what a niche holds, by its number.
        about: what it is, in a few words.
    """

    name: str
    count: Callable[[Program], int]
    of: Callable[[int, int], int]
    title: Callable[[int], str]
    about: str


_ROWS = (
    Niches("none", lambda initial: 1, lambda states, statements: 0, lambda n: "all", "all compete"),
    Niches(
        "states",
        lambda initial: len(initial.states) + 1,
        lambda states, statements: states,
        lambda n: plural(n, "state"),
        "programs compete with those of as many state arrays; proposals are shared out equally",
    ),
)

NICHES: Mapping[str, Niches] = MappingProxyType({row.name: row for row in _ROWS})
"""All ways by name."""
