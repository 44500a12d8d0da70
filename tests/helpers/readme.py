"""The README's code, which the tests run as a reader would."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"


def code_with(text: str) -> str:
    """The indented block of the README that holds a text."""
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", _README.read_text(encoding="utf-8"), re.MULTILINE)
    (found,) = [block for block in blocks if text in block]
    return textwrap.dedent(found).strip() + "\n"
