"""The sections of a report: one row and one function each. A further section is a further row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lion_search.dsl.errors import LionSearchError
from lion_search.report import ancestry, frontier, outcome, search, setup, simplification, transfer
from lion_search.report.markup import Html, element, paragraph
from lion_search.report.material import Material


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a report.

    Attributes:
        key: its name in the page's addresses.
        title: above it.
        write: what it shows of a run; nothing, where the run has nothing to show yet.
    """

    key: str
    title: str
    write: Callable[[Material], Html]


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


def written(material: Material) -> dict[Section, Html]:
    """The sections that have something to show; of one that cannot be shown, why."""
    found = {}
    for section in SECTIONS:
        try:
            content = section.write(material)
        except LionSearchError as error:  # such as a function of the user's own that is gone
            content = paragraph(f"This cannot be shown: {error}", class_="note")
        if content:
            found[section] = element("section", element("h2", section.title), content, id=section.key)
    return found
