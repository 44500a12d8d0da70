"""The sections of a report: one row and one function each. A further section is a further row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lion_search.dsl.errors import LionSearchError
from lion_search.report import ancestry, frontier, outcome, search, setup, simplification, transfer
from lion_search.report.markup import Html, element, paragraph
from lion_search.report.material import Material

What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class Section(Generic[What]):
    """A section of a report.

    Attributes:
        key: its name in the page's addresses.
        title: above it.
        write: what it shows of a run; nothing, where the run has nothing to show yet.
    """

    key: str
    title: str
    write: Callable[[What], Html]


SECTIONS = (
    Section("overview", "Overview", outcome.overview),
    Section("test", "Test", outcome.test),
    Section("training", "Training curves", outcome.training),
    Section("search", "Search curve", search.course),
    Section("frontier", "Memory against fitness", frontier.frontier),
    Section("meta-validation", "Meta-validation", transfer.meta_validation),
    Section("card", "Transfer card", transfer.card),
    Section("shares", "Hits and redundancy", search.shares),
    Section("lineage", "Lineage", ancestry.lineage),
    Section("simplification", "Simplification", simplification.simplification),
    Section("counts", "What the search did", search.counts),
    Section("setup", "How it was run", setup.setup),
)


def written(material: Material) -> dict[Section[Material], Html]:
    """The sections of a run that have something to show; of one that cannot be shown, why."""
    return written_of(material, SECTIONS)


def written_of(material: What, sections: Sequence[Section[What]]) -> dict[Section[What], Html]:
    """The same of anything that has sections."""
    found = {}
    for section in sections:
        try:
            content = section.write(material)
        except LionSearchError as error:  # such as a function of the user's own that is gone
            content = paragraph(f"This cannot be shown: {error}", class_="note")
        if content:
            found[section] = element("section", element("h2", section.title), content, id=section.key)
    return found
