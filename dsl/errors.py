"""The errors a person can cause, as one small hierarchy.

::

    LionSearchError            anything a person did that the program can explain
      ProgramError             program text or a program that is not valid

Rooms further to the right add their own subclasses (``ConfigError``, ``StoreError``, ...). The command
line catches :class:`LionSearchError`, prints its message and exits with status 2. Everything else is a
programming error and is allowed to propagate. A bad *candidate* of a search is never an error: it is a
recorded status.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MAX_MESSAGE = 500
"""Characters of a message; programs may be large, messages must not be."""
MAX_REASON = 300
"""Characters of a message that is not ours, within one of ours."""


class LionSearchError(Exception):
    """Base of all errors whose message is meant for the person at the keyboard."""


class ProgramError(LionSearchError):
    """A program that cannot be read or is not well typed.

    Attributes:
        message: what was found, what was expected, what is allowed.
        source: where the text came from (a path or a name), if known.
        line: 1-based line, if known.
        column: 1-based column, if known.
        statement: 0-based index of the offending statement, if known.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        statement: int | None = None,
    ) -> None:
        self.message = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]} ..."
        self.source = source
        self.line = line
        self.column = column
        self.statement = statement
        super().__init__(self._text())

    def _text(self) -> str:
        where = [self.source or "program"]
        if self.line is not None:
            where.append(f"line {self.line}")
            if self.column is not None:
                where.append(f"column {self.column}")
        elif self.statement is not None:
            where.append(f"statement {self.statement + 1}")
        return f"{', '.join(where)}: {self.message}"


def reason_of(error: BaseException) -> str:
    """What somebody else's code raised, in one short line: ``TypeError: the first line of its message``."""
    message = str(error).strip().partition("\n")[0]
    message = message if len(message) <= MAX_REASON else f"{message[:MAX_REASON]} ..."
    return f"{type(error).__name__}: {message}"


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest allowed name, or an empty string.

    The case does not matter, and abbreviations are known: ``lr`` is near ``learning_rate``, ``beta1`` near
    ``b1``, ``epsilon`` near ``eps``.
    """
    given, names = found.lower(), {name.lower(): name for name in allowed}
    nearest = (
        [name for name in names if name == given]
        or [name for name in names if _initials(name) == given or _initials(given) == name]
        or difflib.get_close_matches(given, names, n=1, cutoff=0.6)
        or [name for name in names if min(len(name), len(given)) >= 3 and (name in given or given in name)]
    )
    return f"; did you mean '{names[nearest[0]]}'?" if nearest else ""


def _initials(name: str) -> str:
    """The first letter of each word, and numbers: ``lr`` of ``learning_rate``, ``b1`` of ``beta_1``."""
    initials = "".join(re.findall("(?<![a-z])[a-z]|[0-9]+", name))
    return initials if len(initials) > 1 else name
