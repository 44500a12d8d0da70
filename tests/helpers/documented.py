"""The documentation's code, which the tests run as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"


def code_with(text: str, language: str = "python") -> str:
    """The one block of code in the documentation's pages that holds a text."""
    code = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    pages = [page.read_text(encoding="utf-8") for page in sorted(_DOCS.glob("*.md"))]
    (found,) = [block for page in pages for block in code.findall(page) if text in block]
    return found
