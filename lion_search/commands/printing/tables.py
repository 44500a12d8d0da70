"""Tables that fit the terminal; elsewhere every column is there and as wide as it needs to be.

Plain text in columns: no frames, no colours but bold titles, so that it reads the same in a dark and in a
light terminal, in a file and in a pipe. Names, numbers, dates and statuses are never broken. Where room is
short, what gives way is, in this order: prose is broken between words; columns are left out, those of the
highest ``drop`` first; a long name is given a line of its own, above the rest of its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lion_search.commands.printing.wrapping import visible, words, wrapped

_GAP = 2
_SHORTEST_PROSE, _LONGEST_WORD, _SHORTEST_NAME = 20, 40, 14


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: above it.
        right: whether cells end at its right edge, as counts do.
        prose: whether cells are text that may be broken between words.
        name: whether cells may stand above their rows; of the first column only.
        drop: where room is short, the column of the highest number is left out first; 0 for never.
    """

    title: str
    right: bool = False
    prose: bool = False
    name: bool = False
    drop: int = 0


def print_table(console: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of cells under titles; columns without any content are left out."""
    cells = [[visible(cell) for cell in row] for row in rows]
    places = [place for place in range(len(columns)) if not cells or any(row[place] for row in cells)]
    room = console.width if console.is_terminal else None
    places, widths = _layout(columns, cells, places, room)
    lines = Text()
    shown = [columns[p] for p in places]
    if any(column.title for column in shown):
        lines.append(_lines([column.title for column in shown], shown, widths), style="bold")
    for row in cells:
        first, *rest = [row[p] for p in places]
        if shown[0].name and room and cell_len(first) > widths[0]:
            lines.append(f"{_shortened(first, room)}\n")
            first = ""
        lines.append(_lines([first, *rest], shown, widths))
    console.print(lines, end="", soft_wrap=True)


def _layout(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], places: list[int], room: int | None
) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide each is."""
    natural = {p: max([cell_len(columns[p].title), *(cell_len(row[p]) for row in cells)]) for p in places}
    if room is None:
        return places, [natural[p] for p in places]
    least = {p: _least(columns[p], [row[p] for row in cells]) for p in places}

    def needed() -> int:
        return sum(least[p] for p in places) + _GAP * (len(places) - 1)

    while needed() > room and any(columns[p].drop for p in places):
        places = [p for p in places if p != max(places, key=lambda p: columns[p].drop)]
    for p in places:
        if columns[p].name and needed() > room:
            least[p] = max(_SHORTEST_NAME, least[p] - (needed() - room))
    for _ in range(room - needed()):  # what is left goes where most is missing
        widest = max(places, key=lambda p: natural[p] - least[p])
        least[widest] += natural[widest] > least[widest]
    return places, [least[p] for p in places]


def _least(column: Column, cells: Sequence[str]) -> int:
    """The least width of a column: its titles' words, and its cells, or a few words of them."""
    widest = max(map(cell_len, cells), default=0)
    if column.prose:
        longest = max((cell_len(word) for cell in cells for word in words(cell)), default=0)
        widest = min(widest, max(_SHORTEST_PROSE, min(longest, _LONGEST_WORD)))
    return max(widest, *(cell_len(word) for word in (column.title or " ").split(" ")))


def _lines(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    """One row: as many lines as its longest cell needs."""
    parts = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    text = ""
    for line in range(max(len(part) for part in parts)):
        padded = [
            _padded(part[line] if line < len(part) else "", width, right=column.right)
            for part, width, column in zip(parts, widths, columns, strict=True)
        ]
        text += (" " * _GAP).join(padded).rstrip() + "\n"
    return text


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _shortened(name: str, width: int) -> str:
    """A name with its middle left out, where it is wider than the terminal: both ends tell names apart."""
    if cell_len(name) <= width:
        return name
    first = (width - 3) // 2
    return f"{name[:first]}...{name[len(name) - (width - 3 - first) :]}"
