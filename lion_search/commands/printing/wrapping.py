"""Text broken into lines between words, where a number and its error, and code, are one word."""

from __future__ import annotations

import re

from rich.cells import cell_len

_WORD = re.compile(r"\S+ \+- \S+|(?:`[^`\n]*`|\S)+")


def words(text: str) -> list[str]:
    """What is not broken."""
    return _WORD.findall(text)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns; a longer word has a line of its own."""
    lines = []
    for paragraph in text.split("\n"):
        if cell_len(paragraph) <= width:
            lines.append(paragraph)
            continue
        line = paragraph[: len(paragraph) - len(paragraph.lstrip())]
        is_empty = True
        for word in words(paragraph):
            if not is_empty and cell_len(line) + 1 + cell_len(word) > width:
                lines.append(line)
                line, is_empty = "", True
            line, is_empty = line + ("" if is_empty else " ") + word, False
        lines.append(line)
    return lines


def visible(text: str) -> str:
    """A text on one line, with what would act on the terminal or cannot be written shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
