"""What an exported file says of itself: its name, where it comes from, the program and its equations."""

from __future__ import annotations

import itertools
import keyword
import re
import textwrap
from dataclasses import dataclass

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.export.hyperparameters import Rule
from lion_search.dsl.export.latex import to_equations
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.text import format_program

_WIDTH = 88
_LEGEND = """As a program, whose update is subtracted from the weights w; g is the gradient, and lr
a schedule whose peak is 1"""


@dataclass(frozen=True, slots=True)
class About:
    """What an exported file says of itself.

    Attributes:
        name: of the optimizer in the code.
        title: the first line of its docstring.
        notes: paragraphs: origin, what was measured, advice.
    """

    name: str
    title: str
    notes: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        """The name in the form that Python gives classes."""
        return "".join(part[:1].upper() + part[1:] for part in self.name.split("_"))


def checked(about: About, reserved: frozenset[str]) -> About:
    """What is said of a file, where the optimizer's name is one that Python and the file have not yet.

    Raises:
        ProgramError: it is no identifier, or used in the file.
    """
    name = about.name
    is_taken = name in reserved or about.class_name in reserved
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or is_taken:
        raise ProgramError(
            f"'{name}' cannot name a Python function here: no identifier, or used in the file itself; "
            "choose another (--name)"
        )
    return about


def docstring(about: About, what: str, usage: str, rule: Rule) -> str:
    """The docstring of a file.

    Args:
        about: what it says of itself.
        what: what the optimizer is there, after the title.
        usage: code that uses it.
        rule: the optimizer.
    """
    parts = [
        f"{one_line(about.title)}, {what}.",
        textwrap.indent(usage.strip("\n"), "    "),
        *(_filled(one_line(note)) for note in about.notes),
        "A step, in equations:",
        textwrap.indent(to_equations(rule.program).rstrip("\n"), "    "),
        f"{_LEGEND}{_functions(rule)}:",
        textwrap.indent(format_program(rule.program).rstrip("\n"), "    "),
    ]
    return 'r"""' + "\n\n".join(parts) + '\n"""\n'


def comment(about: About, sign: str) -> str:
    """The title and the notes as comments, a paragraph each.

    Args:
        about: what the file says of itself.
        sign: what comments begin with.
    """
    paragraphs = (_filled(one_line(text), f"{sign} ") for text in (about.title, *about.notes))
    return f"\n{sign}\n".join(paragraphs) + "\n"


def comments_of(text: str) -> tuple[str, ...]:
    """The paragraphs of the comments that a program's text begins with, as :func:`comment` writes them."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    paragraphs = "\n".join(line.lstrip("#").strip() for line in lines).split("\n\n")
    return tuple(filter(None, map(one_line, paragraphs)))


def one_line(text: str) -> str:
    """A text in one line that can stand in a docstring."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"\s+", " ", plain).strip().replace("\\", "/").replace('"', "'")


def _filled(text: str, indent: str = "") -> str:
    """A paragraph; words stay whole, so that it can be put together again."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _functions(rule: Rule) -> str:
    """What functions mean that are not plain from their names."""
    rows = dict.fromkeys(FUNCTIONS[line.statement.function] for line in rule.lines)
    told = [
        f"{f'x {row.symbol} y' if row.symbol else row.name} is {row.about}"
        for row in rows
        if row.about and row.arity and row.symbol not in ("+", "-", "*")
    ]
    return "\n" + _filled(f"({', '.join(told)})") if told else ""
