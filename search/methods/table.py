"""All search methods, one row each, and a user's own, by the name that configurations use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from pydantic import Field, create_model

from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.dsl.imports import import_name
from lion_search.search.methods.evolution import Evolution
from lion_search.search.methods.method import Method, Start
from lion_search.search.methods.random_search import RandomSearch
from lion_search.search.settings import LoopSettings


class MethodError(LionSearchError):
    """A search method that does not exist or cannot be used."""


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One search method.

    Attributes:
        name: as configurations have it.
        start: makes the method of one population.
        settings: the class of its settings, which are YAML's section ``search``.
        about: what it is, in a few words.
    """

    name: str
    start: Callable[[Start], Method]
    settings: type[LoopSettings]
    about: str


_ROWS = (
    MethodRow("evolution", Evolution, Evolution.settings, "regularized evolution"),
    MethodRow(
        "constants",
        partial(Evolution, kinds=("constant",)),
        Evolution.settings,
        "evolution that changes constants only",
    ),
    MethodRow(
        "deletion",
        partial(Evolution, kinds=("delete",)),
        Evolution.settings,
        "evolution that deletes statements only",
    ),
    MethodRow("random", RandomSearch, RandomSearch.settings, "random programs"),
)

METHODS: Mapping[str, MethodRow] = MappingProxyType({row.name: row for row in _ROWS})
"""The methods by name."""


_NAMES = "; ".join(f"{row.name}: {row.about}" for row in _ROWS)
_ShippedSettings = create_model(
    "ShippedSettings",
    __base__=tuple(reversed(dict.fromkeys(row.settings for row in _ROWS))),
    method=(
        str,
        Field("evolution", description=f"{_NAMES}; or one of your own, module:name."),
    ),
)
"""The settings of all methods in the table: a configuration may hold those of another method."""


def find_method(name: str) -> MethodRow:
    """A method by its name, or a user's own, ``module:name``.

    Raises:
        MethodError: there is no such method, or what ``module:name`` names is none.
        UserCodeError: the module cannot be imported.
    """
    if ":" not in name:
        if name not in METHODS:
            raise MethodError(
                f"unknown method '{name}'{did_you_mean(name, METHODS)}; there are {', '.join(METHODS)}"
            )
        return METHODS[name]
    found = import_name(name, "search method")
    missing = [part for part in ("choose", "make", "apply", "best", "living") if not hasattr(found, part)]
    settings = getattr(found, "settings", LoopSettings)
    if (
        not callable(found)
        or missing
        or not (isinstance(settings, type) and issubclass(settings, LoopSettings))
    ):
        wrong = f"it has no {', '.join(missing)}" if missing else "its settings are no class of LoopSettings"
        raise MethodError(f"'{name}' is no search method: {wrong}; see lion_search.search.methods.method")
    return MethodRow(name, found, settings, found.__doc__ or "")


def settings_class(name: str) -> type[LoopSettings]:
    """The class of YAML's section ``search`` for a method.

    Raises:
        LionSearchError: there is no such method.
    """
    row = find_method(name)
    return row.settings if ":" in name else _ShippedSettings
