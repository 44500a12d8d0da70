"""The documentation's code, which the tests run as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"


def code_with(text: str) -> str:
    """The one block of Python in the documentation's pages that holds a text."""
    python = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    pages = [page.read_text(encoding="utf-8") for page in sorted(_DOCS.glob("*.md"))]
    (found,) = [block for page in pages for block in python.findall(page) if text in block]
    return found
