"""Pieces of the page: elements whose text is escaped, tables, programs, figures."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lion_search.results.strict_json import to_json


class Html(str):
    """Text that is HTML already; any other text is escaped where it is put into an element."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str) -> Html:
    """An element; attributes are written as keywords, ``class_`` for ``class``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[str], between: str = "") -> Html:
    """Elements and texts after each other."""
    return Html(between.join(child if isinstance(child, Html) else html.escape(child) for child in children))


def paragraph(*children: str, **attributes: str) -> Html:
    """A paragraph."""
    return element("p", *map(nice, children), **attributes)


def nice(text: str) -> str:
    """A text of the command line with signs that a terminal may not have."""
    return text if isinstance(text, Html) else text.replace(" +- ", " ± ").replace(" -> ", " → ")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> Html:
    """A table; the first columns are text, the rest numbers, and what is long may be scrolled."""
    kinds = ["text" if place < left else "number" for place in range(len(titles))]
    head = element("tr", *(element("th", t, class_=k) for t, k in zip(titles, kinds, strict=True)))
    body = joined(
        element("tr", *(element("td", nice(c), class_=k) for c, k in zip(row, kinds, strict=True)))
        for row in rows
    )
    whole = element("table", element("thead", head), element("tbody", body))
    return element("div", whole, class_="scroll")


def pairs(rows: Iterable[tuple[str, str]]) -> Html:
    """Names and what they stand for, without those of which nothing is known."""
    cells = (
        element("tr", element("th", name, scope="row"), element("td", nice(value)))
        for name, value in rows
        if value
    )
    whole = element("table", element("tbody", *cells), class_="pairs")
    return element("div", whole, class_="scroll")


def code(text: str, class_: str = "program") -> Html:
    """Program text as it is."""
    return element("pre", element("code", text.rstrip("\n")), class_=class_)


def diff(lines: Iterable[str]) -> Html:
    """Lines that begin with a minus or a plus, each marked as what it is."""
    names = {"-": "del", "+": "ins"}
    return element("pre", joined((element(names[line[0]], line) for line in lines), "\n"), class_="diff")


def fold(summary: str, *children: str, **attributes: str) -> Html:
    """What is shown when its summary is clicked."""
    return element("details", element("summary", summary), *children, **attributes)


def figure(key: str, about: str, spec: Mapping[str, Any], caption: str) -> Html:
    """A figure that the page draws.

    Args:
        key: its name in the page.
        about: what it shows, for who does not see it.
        spec: traces and layout, as Plotly has them.
        caption: below it.
    """
    data = to_json(spec).replace("<", "\\u003c")  # nothing in it can end the element
    return element(
        "figure",
        element("div", class_="plot", role="img", aria_label=about),
        Html(f'<script type="application/json">{data}</script>'),
        element("figcaption", nice(caption)),
        id=f"figure-{key}",
    )
