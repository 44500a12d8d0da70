"""References with options, ``name?key=value,...``: a task's variant, an optimizer's hyper-parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from lion_search.dsl.errors import LionSearchError


class OptionError(LionSearchError):
    """A reference whose options cannot be read."""


def split_options(reference: str) -> tuple[str, dict[str, str]]:
    """A reference's name and its options, as text; ``&`` separates as ``,`` does.

    Raises:
        OptionError: an option is no ``key=value``, or one is given twice.
    """
    name, _, query = reference.partition("?")
    options: dict[str, str] = {}
    for item in filter(None, re.split("[&,]", query)):
        key, separator, value = item.partition("=")
        if not (key and separator and value):
            raise OptionError(f"'{reference}': expected key=value after '?', found '{item}'")
        if key in options:
            raise OptionError(f"'{reference}': '{key}' is given twice")
        options[key] = value
    return name, options


def join_options(name: str, options: Mapping[str, object]) -> str:
    """The reference that :func:`split_options` reads."""
    query = ",".join(f"{key}={value}" for key, value in options.items())
    return f"{name}?{query}" if query else name


def read_number(text: str) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value
