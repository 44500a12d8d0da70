"""A page as a reader of it: its elements, its links."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Page(HTMLParser):
    """What a page holds.

    Attributes:
        text: all that is shown, figures not included.
        ids: what can be linked to.
        links: where links lead.
        sources: what a browser would load.
        figures: their traces and layouts, by name.
    """

    def __init__(self, content: str) -> None:
        super().__init__()
        self.text, self.ids, self.links = "", set[str](), list[str]()
        self.sources: list[str] = []
        self.figures: dict[str, dict[str, Any]] = {}
        self._figure, self._inside = "", ""
        self.feed(content)

    @staticmethod
    def at(path: Path) -> Page:
        """The page in a file."""
        return Page(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self._inside = tag if tag in ("script", "style") else self._inside
        self.ids |= {own["id"] or ""} if "id" in own else set()
        if tag == "a":
            self.links.append(own["href"] or "")
        self.sources += [own[key] or "" for key in ("src", "srcset") if key in own]
        self.sources += [own["href"] or ""] if tag == "link" else []
        if tag == "figure":
            self._figure = own["id"] or ""
        if own.get("type") == "application/json":
            self._inside = "figure"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "figure":
            self.figures[self._figure.removeprefix("figure-")] = json.loads(data)
        elif not self._inside:
            self.text += data
